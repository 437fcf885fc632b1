/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Pictures of lines, boxes and texts, written as SVG or PNG by the ending of the file. */

#include <glib.h>

G_BEGIN_DECLS

typedef enum { DRAWING_BOX, DRAWING_LINE, DRAWING_CURVE, DRAWING_DOT, DRAWING_TEXT } DrawingKind;

/* Where a text is at its x. A vertical one is turned left, and begins at its place. */
typedef enum { DRAWING_START, DRAWING_MIDDLE, DRAWING_END, DRAWING_VERTICAL } DrawingAnchor;

typedef struct {
  DrawingKind kind;
  guint32 colour; /* 0xrrggbb */
  double opacity; /* of a box, 0 to 1 */
  double x, y;    /* the left top of a box, the middle of a dot, a place on a text's base line */
  double width;   /* of a box, of a line's or curve's pen, of a dot */
  double height;  /* of a box, of a text's letters */
  DrawingAnchor anchor;
  char *text;
  GArray *points; /* double x, y of a line or curve, one after another */
} Shape;

typedef struct {
  int width, height; /* pixels */
  GArray *shapes;    /* of Shape; later ones cover earlier ones */
} Drawing;

/* A white picture. */
Drawing *drawing_new (int width, int height);
void drawing_free (Drawing *p);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Drawing, drawing_free)

void drawing_box (Drawing *p, double x, double y, double width, double height, guint32 colour, double opacity);
void drawing_line (Drawing *p, double x1, double y1, double x2, double y2, guint32 colour);
/* A dot on each point and lines between them. points: double x, y; taken. */
void drawing_curve (Drawing *p, GArray *points, guint32 colour);
void drawing_text (Drawing *p, double x, double y, double height, DrawingAnchor anchor, guint32 colour,
    const char *text);

/* About how wide a text is in pixels, on the safe side; and what of it fits, with an ellipsis if that is not all. */
double drawing_text_width (const char *text, double height);
char *drawing_shorten (const char *text, double height, double width);

/*
 * Says what is wrong with the name of a picture that option is to write, if anything; FALSE then. table:
 * it may be a CSV file too.
 */
gboolean drawing_check_name (const char *option, const char *path, gboolean table);
/* Whether a file's name has this ending (".svg"), in letters of any size. */
gboolean drawing_has_ending (const char *path, const char *ending);
/* Writes SVG or PNG. FALSE with an error that names the file. */
gboolean drawing_write (const Drawing *p, const char *path, GError **error);

/* drawing-png.c; drawing-png-none.c in a build without Pango and Cairo. */
extern const gboolean drawing_writes_png;
gboolean drawing_write_png (const Drawing *p, const char *path, GError **error);

G_END_DECLS
