/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tools/classify/archive.h"

#include <string.h>

#include "tools/parallel.h"

/*
 * Messages to the first process are a Head and what it announces; an empty one comes before the first
 * thing. Each is answered by a number, of the next thing, or n if there is none.
 */
typedef struct {
  guint64 thing, text, error; /* lengths of both texts, and one more unless they are NULL */
} Head;

struct _Archive {
  guint n, given, taken;  /* things; how many were begun; how many answers were taken */
  int working;            /* other processes that may have something to say */
  Answer *answers;        /* that came before those of earlier things */
  gboolean *there;
  ArchiveTake take;
  gpointer data;
};

Archive *
archive_new (guint n, ArchiveTake take, gpointer data)
{
  Archive *a = g_new0 (Archive, 1);

  a->n = n;
  a->working = parallel_ranks () - 1;
  a->take = take;
  a->data = data;
  a->answers = g_new0 (Answer, n);
  a->there = g_new0 (gboolean, n);
  return a;
}

static void
answer_clear (Answer *answer)
{
  g_clear_pointer (&answer->text, g_free);
  g_clear_pointer (&answer->error, g_free);
}

void
archive_free (Archive *a)
{
  for (guint i = 0; i < a->n; i++)
    answer_clear (&a->answers[i]);
  g_free (a->answers);
  g_free (a->there);
  g_free (a);
}

/* Takes the answer's texts. */
static void
keep (Archive *a, guint i, const Answer *answer)
{
  a->answers[i] = *answer;
  a->there[i] = TRUE;
  for (; a->taken < a->n && a->there[a->taken]; a->taken++) {
    a->take (a->taken, &a->answers[a->taken], a->data);
    answer_clear (&a->answers[a->taken]);
  }
}

static char *
unpack_text (const char **from, guint64 length)
{
  char *text = length > 0 ? g_strndup (*from, length - 1) : NULL;

  *from += length > 0 ? length - 1 : 0;
  return text;
}

static void
unpack (Archive *a, GBytes *message)
{
  gsize size;
  const char *bytes = g_bytes_get_data (message, &size);
  Answer answer;
  Head head;

  if (size == 0)
    return;
  memcpy (&head, bytes, sizeof head);
  bytes += sizeof head;
  answer.text = unpack_text (&bytes, head.text);
  answer.error = unpack_text (&bytes, head.error);
  keep (a, (guint) head.thing, &answer);
}

static void
send_answer (guint i, const Answer *answer)
{
  const char *texts[] = { answer->text, answer->error };
  Head head = { i, answer->text ? strlen (answer->text) + 1 : 0, answer->error ? strlen (answer->error) + 1 : 0 };
  g_autoptr (GByteArray) message = g_byte_array_new ();

  g_byte_array_append (message, (const guint8 *) &head, sizeof head);
  for (int k = 0; k < 2; k++)
    if (texts[k] != NULL)
      g_byte_array_append (message, (const guint8 *) texts[k], (guint) strlen (texts[k]));
  parallel_send (0, message->data, message->len);
}

static void
handle (Archive *a, GBytes *message, int from)
{
  guint next = a->given < a->n ? a->given++ : a->n;

  a->working -= next == a->n;
  parallel_send (from, &next, sizeof next);
  unpack (a, message);
}

void
archive_serve (Archive *a)
{
  GBytes *message;
  int from;

  while (parallel_rank () == 0 && a->working > 0 && (message = parallel_receive (&from, FALSE)) != NULL) {
    handle (a, message, from);
    g_bytes_unref (message);
  }
}

static void
run_first (Archive *a, ArchiveWork work, gpointer data)
{
  while (a->given < a->n) {
    Answer answer = { NULL, NULL };
    guint i = a->given++;

    work (i, &answer, data);
    keep (a, i, &answer);
    archive_serve (a);
  }
  while (a->working > 0) {
    int from;
    g_autoptr (GBytes) message = parallel_receive (&from, TRUE);

    handle (a, message, from);
  }
}

static void
run_other (Archive *a, ArchiveWork work, gpointer data)
{
  parallel_send (0, NULL, 0);
  for (;;) {
    int from;
    g_autoptr (GBytes) message = parallel_receive (&from, TRUE);
    Answer answer = { NULL, NULL };
    guint i;

    memcpy (&i, g_bytes_get_data (message, NULL), sizeof i);
    if (i >= a->n)
      return;
    work (i, &answer, data);
    send_answer (i, &answer);
    answer_clear (&answer);
  }
}

void
archive_run (Archive *a, ArchiveWork work, gpointer data)
{
  if (parallel_rank () == 0)
    run_first (a, work, data);
  else
    run_other (a, work, data);
}
