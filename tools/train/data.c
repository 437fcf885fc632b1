/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tools/train/data.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "tools/decode.h"
#include "tools/progress.h"
#include "tools/tool.h"
#include "tools/train/sources.h"

#define GIB 1073741824.0
#define DEFAULT_GIB 20
#define FINGERPRINT "3dcnn.sources"
#define UNREADABLE "3dcnn.unreadable"

/* A cache in the making. */
typedef struct {
  Cnn3dCacheWriter *writer;
  double limit;               /* bytes */
  const Source *source;
  Cnn3dCacheVideo video;      /* that is being decoded; no width before its first frame */
  guint8 *row_less;           /* a frame without padding */
  Cnn3dCache *old;            /* what was there before; NULL: nothing to be used */
  GHashTable *old_videos;     /* name -> index + 1 */
} Build;

static volatile sig_atomic_t interrupted; /* by which signal */

static void
on_signal (int number)
{
  interrupted = number;
}

/* A cache in the making is removed before a signal ends the process; a second one ends it at once. */
static void
catch_signals (struct sigaction *before)
{
  struct sigaction action = { .sa_handler = on_signal, .sa_flags = (int) SA_RESETHAND };

  sigaction (SIGINT, &action, &before[0]);
  sigaction (SIGTERM, &action, &before[1]);
}

static void
restore_signals (const struct sigaction *before)
{
  sigaction (SIGINT, &before[0], NULL);
  sigaction (SIGTERM, &before[1], NULL);
  if (interrupted)
    raise (interrupted);
}

/* How videos are stored, as words; another one makes another cache. */
static char *
describe_storage (const DecodeOptions *decode)
{
  char rate[G_ASCII_DTOSTR_BUF_SIZE];

  return g_strdup_printf ("1 side %d rate %s;", decode->shortest,
      g_ascii_formatd (rate, sizeof rate, "%.9g", decode->rate));
}

/* All that the cache depends on. */
static char *
make_fingerprint (const Sources *sources, const char *storage)
{
  g_autoptr (GChecksum) sum = g_checksum_new (G_CHECKSUM_SHA256);

  g_checksum_update (sum, (const guchar *) storage, -1);
  for (char **label = sources->labels; *label != NULL; label++)
    g_checksum_update (sum, (const guchar *) *label, (gssize) strlen (*label) + 1);
  for (guint i = 0; i < sources->sources->len; i++) {
    const Source *s = sources->sources->pdata[i];
    g_autofree char *line = g_strdup_printf ("%s\n%d %" G_GINT64_FORMAT " %" G_GINT64_FORMAT "\n", s->path,
        s->label, s->size, s->time);

    g_checksum_update (sum, (const guchar *) line, -1);
    g_checksum_update (sum, (const guchar *) s->name, (gssize) strlen (s->name) + 1);
  }
  return g_strdup_printf ("%s %s", storage, g_checksum_get_string (sum));
}

static gboolean
check_room (Build *build, gint64 more, GError **error)
{
  if ((double) (cnn3d_cache_writer_get_size (build->writer) + more) <= build->limit)
    return TRUE;
  g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_NOSPC,
      "%s: the decoded videos take more than the %.3g GiB that --cache-size allows; a lower --sample-rate makes"
      " them smaller", build->source->path, build->limit / GIB);
  return FALSE;
}

static gboolean
check_interrupted (const Build *build, GError **error)
{
  if (!interrupted)
    return TRUE;
  g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_INTR, "%s: interrupted", build->source->path);
  return FALSE;
}

static gboolean
take_frame (const DecodedFrame *frame, gpointer data, GError **error)
{
  Build *build = data;
  Cnn3dCacheVideo *video = &build->video;
  gsize row = (gsize) frame->width * 3;

  if (!check_interrupted (build, error))
    return FALSE;
  if (video->width == 0) {
    video->width = frame->width;
    video->height = frame->height;
    video->rate = frame->rate;
    build->row_less = g_realloc (build->row_less, row * frame->height);
    cnn3d_cache_writer_begin (build->writer, video);
  } else if (video->width != frame->width || video->height != frame->height) {
    g_set_error (error, CNN3D_ERROR, CNN3D_ERROR_FORMAT, "%s: changes its size from %d x %d to %d x %d",
        build->source->path, video->width, video->height, frame->width, frame->height);
    return FALSE;
  }
  if (!check_room (build, (gint64) row * frame->height, error))
    return FALSE;
  for (int y = 0; y < frame->height; y++)
    memcpy (build->row_less + y * row, frame->rgb + y * frame->stride, row);
  video->frames++;
  return cnn3d_cache_writer_add_frames (build->writer, build->row_less, 1, error);
}

/* Copies a video that has not changed since the old cache was made. FALSE without an error: there is none. */
static gboolean
copy_old (Build *build, GError **error)
{
  const Source *s = build->source;
  int index = build->old ? GPOINTER_TO_INT (g_hash_table_lookup (build->old_videos, s->name)) - 1 : -1;
  Cnn3dCacheVideo video;

  if (index < 0)
    return FALSE;
  cnn3d_cache_get_video (build->old, index, &video);
  if (video.source_size != s->size || video.source_time != s->time)
    return FALSE;
  if (!check_room (build, (gint64) video.width * video.height * 3 * video.frames, error))
    return FALSE;
  video.label = s->label;
  build->row_less = g_realloc (build->row_less, (gsize) video.width * video.height * 3);
  cnn3d_cache_writer_begin (build->writer, &video);
  for (int t = 0; t < video.frames; t++)
    if (!cnn3d_cache_read (build->old, index, t, 1, build->row_less, error)
        || !cnn3d_cache_writer_add_frames (build->writer, build->row_less, 1, error))
      return FALSE;
  return TRUE;
}

/* FALSE with an error: of the cache if that is G_FILE_ERROR_NOSPC or so, else of the video. */
static gboolean
add_source (Build *build, const DecodeOptions *options, GError **error)
{
  const Source *s = build->source;
  DecodeOptions decode = *options;
  g_autoptr (GError) reason = NULL;

  if (!check_interrupted (build, error))
    return FALSE;
  if (copy_old (build, &reason))
    return TRUE;
  if (reason != NULL) {
    g_propagate_error (error, g_steal_pointer (&reason));
    return FALSE;
  }
  build->video = (Cnn3dCacheVideo){ .name = s->name, .label = s->label, .source_size = s->size,
    .source_time = s->time };
  decode.start = s->start;
  decode.end = s->end;
  if (decode_file (s->path, &decode, take_frame, build, error))
    return TRUE;
  if (build->video.width > 0)
    cnn3d_cache_writer_cancel_video (build->writer);
  return FALSE;
}

static void
show_progress (guint done, guint all)
{
  g_autofree char *text = g_strdup_printf ("%u of %u videos", done, all);

  progress_bar ("decoding", (double) done / all, text);
}

/* How many unreadable videos are put up with. */
static guint
get_limit (guint all, const DataOptions *o)
{
  guint limit = o->max_unreadable > 0 || (o->strict && o->max_unreadable == 0) ? (guint) o->max_unreadable : MAX (all / 10, 1);

  return MIN (limit, all - 1);
}

/* Whether that many of all are too many; some may not have been tried yet. */
static gboolean
check_unreadable (const char *path, guint unreadable, guint tried, guint all, const DataOptions *o, GError **error)
{
  guint limit = get_limit (all, o);
  g_autofree char *rest = tried < all ? g_strdup_printf ("; %u were not tried", all - tried) : NULL;

  if (unreadable <= limit)
    return TRUE;
  g_set_error (error, CNN3D_ERROR, CNN3D_ERROR_FORMAT,
      "%s: %u of %u videos cannot be read, more than the %u that --max-unreadable allows%s", path, unreadable, all,
      limit, rest ? rest : "");
  return FALSE;
}

static void
tell_unreadable (const char *path, guint unreadable, guint all)
{
  if (unreadable > 0)
    tool_complain ("%s: %u of %u videos cannot be read and are left out", path, unreadable, all);
}

/* Decodes all sources. */
static gboolean
build_cache (Build *build, const char *path, const Sources *sources, const DecodeOptions *decode,
    const DataOptions *o, GError **error)
{
  guint n = sources->sources->len, unreadable = 0;
  g_autofree char *count = NULL;

  for (guint i = 0; i < n; i++) {
    g_autoptr (GError) reason = NULL;

    show_progress (i, n);
    build->source = sources->sources->pdata[i];
    if (add_source (build, decode, &reason))
      continue;
    progress_clear ();
    /* The cache's own failure, not the video's. */
    if (reason->domain == G_FILE_ERROR && reason->code != G_FILE_ERROR_NOENT) {
      g_propagate_error (error, g_steal_pointer (&reason));
      return FALSE;
    }
    unreadable++;
    tool_complain ("%s; passed over", reason->message);
    if (!check_unreadable (path, unreadable, i + 1, n, o, error))
      return FALSE;
  }
  progress_clear ();
  tell_unreadable (path, unreadable, n);
  count = g_strdup_printf ("%u", unreadable);
  cnn3d_cache_writer_set_note (build->writer, UNREADABLE, count);
  return cnn3d_cache_writer_finish (build->writer, error);
}

/* A cache of ours that is there, to *cache; NULL if there is none, or it is damaged. FALSE if it is another's. */
static gboolean
open_old (const char *folder, Cnn3dCache **cache, GError **error)
{
  *cache = cnn3d_cache_open (folder, NULL);
  if (*cache == NULL || cnn3d_cache_get_note (*cache, FINGERPRINT) != NULL)
    return TRUE;
  g_clear_pointer (cache, cnn3d_cache_unref);
  g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_EXIST,
      "%s: is a cache of something else; --cache FOLDER puts decoded videos elsewhere", folder);
  return FALSE;
}

/* With the lock, what another process began and did not finish is nobody's. */
static void
remove_partial (const char *folder)
{
  g_autofree char *parent = g_path_get_dirname (folder), *base = g_path_get_basename (folder);
  g_autofree char *prefix = g_strconcat (base, ".partial-", NULL);
  g_autoptr (GDir) dir = g_dir_open (parent, 0, NULL);
  const char *name;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL) {
    g_autofree char *partial = g_build_filename (parent, name, NULL);
    g_autofree char *index = g_build_filename (partial, "cache.json", NULL);
    g_autofree char *frames = g_build_filename (partial, "frames.bin", NULL);

    if (!g_str_has_prefix (name, prefix))
      continue;
    g_unlink (index);
    g_unlink (frames);
    g_rmdir (partial);
  }
}

static int
take_lock (const char *folder, GError **error)
{
  g_autofree char *lock = g_strconcat (folder, ".lock", NULL), *parent = g_path_get_dirname (folder);
  int fd = g_mkdir_with_parents (parent, 0777) < 0 ? -1 : g_open (lock, O_RDWR | O_CREAT | O_CLOEXEC, 0666);

  if (fd < 0) {
    int reason = errno;

    g_set_error (error, G_FILE_ERROR, (gint) g_file_error_from_errno (reason),
        "%s: cannot be made: %s; --cache FOLDER puts decoded videos elsewhere", lock, g_strerror (reason));
    return -1;
  }
  if (flock (fd, LOCK_EX | LOCK_NB) < 0) {
    tool_complain ("%s: another process decodes these videos, waiting for it", folder);
    while (flock (fd, LOCK_EX) < 0 && errno == EINTR) {
    }
  }
  return fd;
}

/* Where the cache of a data set is: next to it, or in a folder under a name of its own. */
static char *
cache_path (const char *path, const char *folder)
{
  g_autofree char *absolute = g_canonicalize_filename (path, NULL), *base = NULL, *sum = NULL, *name = NULL;

  if (folder == NULL)
    return g_strconcat (absolute, ".cache", NULL);
  base = g_path_get_basename (absolute);
  sum = g_compute_checksum_for_string (G_CHECKSUM_SHA256, absolute, -1);
  name = g_strdup_printf ("%s-%.8s", base, sum);
  return g_build_filename (folder, name, NULL);
}

/* Makes the cache anew, with what can be used of the old one. */
static Cnn3dCache *
renew (const char *path, const char *folder, Cnn3dCache *old, const Sources *sources, const char *storage,
    const char *fingerprint, const DecodeOptions *decode, const DataOptions *o, GError **error)
{
  g_autoptr (Cnn3dCacheWriter) writer = NULL;
  g_autoptr (GHashTable) old_videos = g_hash_table_new (g_str_hash, g_str_equal);
  double gib = o->cache_size > 0 ? o->cache_size : DEFAULT_GIB;
  Build build = { .limit = gib * GIB, .old_videos = old_videos };
  struct sigaction before[2];
  gboolean ok;

  remove_partial (folder);
  writer = cnn3d_cache_writer_new (folder, (const char *const *) sources->labels, error);
  if (writer == NULL)
    return NULL;
  if (old != NULL && g_str_has_prefix (cnn3d_cache_get_note (old, FINGERPRINT), storage))
    build.old = old;
  for (int i = 0; build.old != NULL && i < cnn3d_cache_get_n_videos (old); i++) {
    Cnn3dCacheVideo video;

    cnn3d_cache_get_video (old, i, &video);
    g_hash_table_insert (old_videos, (char *) video.name, GINT_TO_POINTER (i + 1));
  }
  cnn3d_cache_writer_set_note (writer, FINGERPRINT, fingerprint);
  build.writer = writer;
  catch_signals (before);
  ok = build_cache (&build, path, sources, decode, o, error);
  g_clear_pointer (&writer, cnn3d_cache_writer_free);
  restore_signals (before);
  g_free (build.row_less);
  return ok ? cnn3d_cache_open (folder, error) : NULL;
}

static Cnn3dCache *
open_videos (const char *path, const DataOptions *o, GError **error)
{
  int size = o->size > 0 ? o->size : 112;
  DecodeOptions decode = { .shortest = (size * 8 + 6) / 7, .rate = o->rate > 0 ? 2 * o->rate : 0,
    .video = TRUE };
  g_autofree char *folder = cache_path (path, o->cache_folder), *storage = describe_storage (&decode);
  g_autofree char *fingerprint = NULL;
  g_autoptr (Sources) sources = sources_list (path, error);
  Cnn3dCache *cache = NULL;
  int lock;

  if (sources == NULL || (lock = take_lock (folder, error)) < 0)
    return NULL;
  fingerprint = make_fingerprint (sources, storage);
  if (!open_old (folder, &cache, error)) {
    close (lock);
    return NULL;
  }
  if (cache == NULL || strcmp (cnn3d_cache_get_note (cache, FINGERPRINT), fingerprint) != 0) {
    g_autoptr (Cnn3dCache) old = g_steal_pointer (&cache);

    cache = renew (path, folder, old, sources, storage, fingerprint, &decode, o, error);
  } else {
    const char *note = cnn3d_cache_get_note (cache, UNREADABLE);
    guint unreadable = note ? (guint) g_ascii_strtoull (note, NULL, 10) : 0, all = sources->sources->len;

    if (check_unreadable (path, unreadable, all, all, o, error))
      tell_unreadable (path, unreadable, all);
    else
      g_clear_pointer (&cache, cnn3d_cache_unref);
  }
  close (lock); /* and unlocks */
  return cache;
}

Cnn3dCache *
data_open (const char *path, const DataOptions *options, GError **error)
{
  static const DataOptions defaults = { 0 };
  g_autofree char *index = g_build_filename (path, "cache.json", NULL);

  if (g_file_test (index, G_FILE_TEST_EXISTS))
    return cnn3d_cache_open (path, error);
  if (!g_file_test (path, G_FILE_TEST_EXISTS)) {
    g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_NOENT, "%s: is not there", path);
    return NULL;
  }
  return open_videos (path, options ? options : &defaults, error);
}
