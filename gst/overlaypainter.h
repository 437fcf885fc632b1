/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Paints what videoclassoverlay shows, with Pango and Cairo: a panel of classes
 * with bars, the action that is going on, the label of an object. Knows nothing
 * of elements, nor where on the picture its rectangles go.
 */

#include <gst/video/video-overlay-composition.h>

G_BEGIN_DECLS

typedef struct
{
  const gchar *font;            /* Pango's description; its size is not used */
  gdouble text_height;          /* font size, pixels of the picture's height */
  gdouble aspect;               /* width of a pixel to its height */
  guint32 color, background, bar, event;        /* 0xAARRGGBB */
} GstOverlayStyle;

typedef struct
{
  const gchar *label;           /* any bytes up to the first zero, or NULL */
  gdouble score;                /* [0, 1] */
} GstOverlayRow;

typedef struct _GstOverlayPainter GstOverlayPainter;

GstOverlayPainter *gst_overlay_painter_new (void);
void gst_overlay_painter_free (GstOverlayPainter * painter);
void gst_overlay_painter_set_style (GstOverlayPainter * painter,
    const GstOverlayStyle * style);

/* All of these return a rectangle at 0, 0, with even width and height that are at
 * most the given ones (which are at least 16), or NULL if nothing fits. Its owner is
 * the caller. */

/**
 * gst_overlay_painter_draw_classes:
 * @rows: best first; those that do not fit are left out
 */
GstVideoOverlayRectangle *gst_overlay_painter_draw_classes (GstOverlayPainter *
    painter, const GstOverlayRow * rows, guint n_rows, gint max_width,
    gint max_height);

/**
 * gst_overlay_painter_draw_event:
 * @time: for how long, as a text
 * @active: whether it still goes on
 */
GstVideoOverlayRectangle *gst_overlay_painter_draw_event (GstOverlayPainter *
    painter, const gchar * label, const gchar * time, gboolean active,
    gint max_width, gint max_height);

/* A label on the colour of bars, to be put on the frame of an object. */
GstVideoOverlayRectangle *gst_overlay_painter_draw_tag (GstOverlayPainter *
    painter, const GstOverlayRow * row, gint max_width, gint max_height);

/* A side of such a frame: the colour of bars, of this even size. */
GstVideoOverlayRectangle *gst_overlay_painter_draw_side (GstOverlayPainter *
    painter, gint width, gint height);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (GstOverlayPainter, gst_overlay_painter_free)

G_END_DECLS
