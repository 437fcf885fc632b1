/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the commands of 3dcnn share. Errors go to stderr, results to stdout. */

#include <json-glib/json-glib.h>

#include "lib3dcnn/3dcnn.h"

G_BEGIN_DECLS

/* Exit codes. */
#define EXIT_OK 0
#define EXIT_FAILED 1
#define EXIT_USAGE 2

typedef struct {
  const char *name, *summary;
  int (*run) (int argc, char **argv); /* argv[0] is the command */
  gboolean together; /* processes that mpirun started share its work: see parallel.h */
} Command;

int cmd_eval (int argc, char **argv);
int cmd_finetune (int argc, char **argv);
int cmd_info (int argc, char **argv);
int cmd_import (int argc, char **argv);
int cmd_verify (int argc, char **argv);
int cmd_run (int argc, char **argv);
int cmd_classify (int argc, char **argv);
int cmd_synth (int argc, char **argv);
int cmd_export (int argc, char **argv);
int cmd_bench (int argc, char **argv);
int cmd_train (int argc, char **argv);
int cmd_devices (int argc, char **argv);
int cmd_selftest (int argc, char **argv);

/* The networks of the paper's Table 8. */
#define TOOL_N_TABLE8 17
extern const Cnn3dConfig tool_table8[TOOL_N_TABLE8];

/* Prints "3dcnn: ..." to stderr; "3dcnn: process N: ..." of a process that is not the first. */
void tool_complain (const char *format, ...) G_GNUC_PRINTF (1, 2);
/*
 * Whether to keep to itself what tool_complain() is told. Processes of mpirun other than the first begin
 * quiet, as what they find wrong they all find, or hand to the first.
 */
void tool_set_quiet (gboolean quiet);
/* Prints an error, and returns EXIT_FAILED. */
int tool_fail (const GError *error);

/*
 * Parses the options of a command; what is left of argv are its arguments, of which there must be
 * min to max (-1: any number). On failure, prints what is wrong and returns FALSE.
 */
gboolean tool_parse (int *argc, char ***argv, const GOptionEntry *entries, const char *arguments,
    const char *description, int min, int max);

/* Loads a model from a path, or from the name of a bundled model. */
Cnn3dModel *tool_load (const char *model, const Cnn3dLoadOptions *options, GError **error);
/* The path of a model; the argument itself if it is one. */
char *tool_find (const char *model, GError **error);

/* Prints JSON to stdout, and a newline; frees the builder. */
void tool_print_json (JsonBuilder *builder);
void tool_json_string (JsonBuilder *builder, const char *member, const char *value);
void tool_json_int (JsonBuilder *builder, const char *member, gint64 value);
void tool_json_double (JsonBuilder *builder, const char *member, double value);

/* "a,b,c" as positive integers, ended by 0; NULL with an error if it is none. */
int *tool_parse_integers (const char *text, const char *option, GError **error);

G_END_DECLS
