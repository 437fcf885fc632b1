/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>

#include "tools/parallel.h"
#include "tools/tool.h"

static gboolean quiet;
static char *last_complaint;

static const Command commands[] = {
  { "info", "print a model's card and complexity", cmd_info },
  { "import", "turn a PyTorch checkpoint into a model file with a card", cmd_import },
  { "verify", "run a model's self-check", cmd_verify },
  { "run", "run one raw clip through a model", cmd_run },
#ifdef HAVE_GST
  { "classify", "classify videos", cmd_classify, TRUE },
  { "synth", "make labelled clips of camera motion", cmd_synth },
#endif
  { "eval", "try a model on labelled videos", cmd_eval, TRUE },
  { "export", "write a model as ONNX", cmd_export },
  { "bench", "measure how long models take", cmd_bench },
  { "finetune", "teach a model other classes", cmd_finetune, TRUE },
  { "train", "train a network", cmd_train, TRUE },
  { "devices", "list the GPUs that the cudnn backend may run on", cmd_devices },
  { "selftest", "compare a backend with the CPU, layer by layer", cmd_selftest },
};

static void
print_help (FILE *to)
{
  fprintf (to,
      "Usage: 3dcnn COMMAND [OPTION...] ...\n\n"
      "Action and gesture recognition with 3D convolutional networks.\n\nCommands:\n");
  for (guint i = 0; i < G_N_ELEMENTS (commands); i++)
    fprintf (to, "  %-10s %s\n", commands[i].name, commands[i].summary);
  fprintf (to,
      "\nA MODEL is a file (.safetensors, or a PyTorch .pth) or the name of a bundled model.\n"
      "3dcnn COMMAND --help tells more. Exit status: 0 success, 1 failure, 2 wrong usage,\n"
      "130 a training that was interrupted.\n");
}

void
tool_complain (const char *format, ...)
{
  g_autofree char *message = NULL;
  va_list args;

  va_start (args, format);
  message = g_strdup_vprintf (format, args);
  va_end (args);
  if (!quiet && parallel_rank () > 0)
    fprintf (stderr, "3dcnn: process %d: %s\n", parallel_rank (), message);
  else if (!quiet)
    fprintf (stderr, "3dcnn: %s\n", message);
  g_free (last_complaint);
  last_complaint = g_steal_pointer (&message);
}

void
tool_set_quiet (gboolean value)
{
  quiet = value;
}

int
tool_fail (const GError *error)
{
  tool_complain ("%s", error->message);
  return EXIT_FAILED;
}

gboolean
tool_parse (int *argc, char ***argv, const GOptionEntry *entries, const char *arguments,
    const char *description, int min, int max)
{
  g_autoptr (GOptionContext) context = g_option_context_new (arguments);
  g_autofree char *prgname = g_strdup_printf ("3dcnn %s", (*argv)[0]);
  g_autoptr (GError) error = NULL;
  int n;

  g_set_prgname (prgname);
  g_option_context_add_main_entries (context, entries, NULL);
  g_option_context_set_description (context, description);
  if (!g_option_context_parse (context, argc, argv, &error)) {
    tool_complain ("%s", error->message);
    return FALSE;
  }
  n = *argc - 1;
  if (n < min || (max >= 0 && n > max)) {
    tool_complain ("%s takes %s%d argument%s, not %d; see 3dcnn %s --help", (*argv)[0],
        min == max ? "" : "at least ", n < min ? min : max, (n < min ? min : max) == 1 ? "" : "s", n,
        (*argv)[0]);
    return FALSE;
  }
  return TRUE;
}

char *
tool_find (const char *model, GError **error)
{
  if (strchr (model, G_DIR_SEPARATOR) != NULL || strchr (model, '.') != NULL
      || g_file_test (model, G_FILE_TEST_EXISTS))
    return g_strdup (model);
  return cnn3d_model_find (model, error);
}

Cnn3dModel *
tool_load (const char *model, const Cnn3dLoadOptions *options, GError **error)
{
  g_autofree char *path = tool_find (model, error);

  return path ? cnn3d_model_load (path, options, error) : NULL;
}

void
tool_print_json (JsonBuilder *builder)
{
  g_autoptr (JsonNode) root = json_builder_get_root (builder);
  g_autofree char *text = json_to_string (root, FALSE);

  puts (text);
  g_object_unref (builder);
}

void
tool_json_string (JsonBuilder *builder, const char *member, const char *value)
{
  json_builder_set_member_name (builder, member);
  if (value != NULL)
    json_builder_add_string_value (builder, value);
  else
    json_builder_add_null_value (builder);
}

void
tool_json_int (JsonBuilder *builder, const char *member, gint64 value)
{
  json_builder_set_member_name (builder, member);
  json_builder_add_int_value (builder, value);
}

void
tool_json_double (JsonBuilder *builder, const char *member, double value)
{
  json_builder_set_member_name (builder, member);
  json_builder_add_double_value (builder, value);
}

int *
tool_parse_integers (const char *text, const char *option, GError **error)
{
  g_auto (GStrv) words = g_strsplit (text, ",", -1);
  guint n = g_strv_length (words);
  g_autofree int *numbers = g_new0 (int, n + 1);

  for (guint i = 0; i < n; i++) {
    guint64 number;

    if (!g_ascii_string_to_unsigned (words[i], 10, 1, 256, &number, NULL)) {
      g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
          "%s takes numbers from 1 to 256, separated by commas, not '%s'", option, text);
      return NULL;
    }
    numbers[i] = (int) number;
  }
  return g_steal_pointer (&numbers);
}

/* A command as one of the processes that mpirun started. */
static int
run_together (const Command *command, int argc, char **argv)
{
  g_autoptr (GError) error = NULL;
  int status;

  quiet = parallel_announced_rank () > 0;
  if (!command->together) {
    tool_complain ("%s runs in one process, but mpirun started %d; it is for classify, eval, finetune and train",
        command->name, parallel_announced ());
    /* mpirun ends all others at the first status that is not 0: the first one, which has something to say. */
    return quiet ? EXIT_OK : EXIT_USAGE;
  }
  if (!parallel_begin (&error))
    return parallel_end (tool_fail (error), error->message);
  /* Results are the first one's. */
  if (parallel_rank () > 0 && freopen ("/dev/null", "w", stdout) == NULL)
    tool_complain ("/dev/null: %s", g_strerror (errno));
  status = command->run (argc, argv);
  return parallel_end (status, last_complaint);
}

static gboolean
asks_for_help (char **argv)
{
  return g_strv_contains ((const char *const *) argv, "--help") || g_strv_contains ((const char *const *) argv, "-h");
}

static int
run (const Command *command, int argc, char **argv)
{
  /* GOption ends the program after its help, which no process that has joined others may do. */
  gboolean together = parallel_announced () > 1 && !asks_for_help (argv);
  int status = together ? run_together (command, argc, argv) : command->run (argc, argv);

  if ((fflush (stdout) != 0 || ferror (stdout)) && parallel_rank () == 0) {
    tool_complain ("standard output cannot be written");
    status = status == EXIT_OK ? EXIT_FAILED : status;
  }
  g_free (last_complaint);
  return status;
}

int
main (int argc, char **argv)
{
  setlocale (LC_ALL, "");
  /* Through a pipe too, a line is there when it is printed; and it is written at once: mpirun has put the rest of a line
     on standard error into standard output. */
  setvbuf (stdout, NULL, _IOLBF, BUFSIZ);
  setvbuf (stderr, NULL, _IOLBF, BUFSIZ);
  if (argc < 2) {
    print_help (stderr);
    return EXIT_USAGE;
  }
  if (strcmp (argv[1], "--help") == 0 || strcmp (argv[1], "-h") == 0 || strcmp (argv[1], "help") == 0) {
    print_help (stdout);
    return EXIT_OK;
  }
  if (strcmp (argv[1], "--version") == 0) {
    puts ("3dcnn " VERSION);
    return EXIT_OK;
  }
  for (guint i = 0; i < G_N_ELEMENTS (commands); i++)
    if (strcmp (argv[1], commands[i].name) == 0)
      return run (&commands[i], argc - 1, argv + 1);
  tool_complain ("there is no command '%s'; see 3dcnn --help", argv[1]);
  return EXIT_USAGE;
}
