/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lib3dcnn/loader.h"

#include <math.h>
#include <string.h>

#include "lib3dcnn/train/crop.h"
#include "lib3dcnn/train/random.h"

/* The batch that the caller has, and those that are being made. */
#define N_SLOTS 3

/* A clip of an evaluation. */
typedef struct {
  int video;
  double start; /* in sampled frames */
} Window;

typedef struct {
  guint64 batch;
  int n, done;
  int *videos, *targets;
  gint64 *places; /* of each clip in its epoch */
  float *clips;
  GError *error;
} Slot;

struct _Cnn3dLoader {
  gatomicrefcount ref_count;
  Cnn3dCache *cache;
  Cnn3dLoaderOptions options;
  int *flip_labels;
  int frames, size, part; /* part: clips of a batch that are this process' */
  Cnn3dResize resize;
  int channel[3];
  float scale[3], offset[3];
  int *classes;           /* of each of the cache's labels */
  GArray *windows;        /* Window; NULL when training */
  gint64 n_clips;
  int n_batches;

  GMutex lock;
  GCond work, ready;
  Slot slots[N_SLOTS];
  int *order;             /* of videos, in training: that of epoch `ordered` */
  guint64 ordered;
  guint64 taken;          /* the batch that is given next; the one before is in use */
  guint64 next;           /* the batch that is prepared next, or at present */
  int next_clip;          /* the clip of it that no thread has begun */
  gboolean in_use, stop;
  int busy;               /* threads at work on a clip */
  GPtrArray *threads;
};

G_DEFINE_BOXED_TYPE (Cnn3dLoader, cnn3d_loader, cnn3d_loader_ref, cnn3d_loader_unref)

/* Random numbers of one clip. */
typedef struct {
  guint64 seed, index;
} Stream;

static double
draw (Stream *stream)
{
  return cnn3d_random_uniform (stream->seed, stream->index++);
}

static int
draw_below (Stream *stream, int n)
{
  return MIN ((int) (draw (stream) * n), n - 1);
}

static double
sample_step (const Cnn3dLoader *loader, const Cnn3dCacheVideo *video)
{
  double rate = loader->options.sample_rate;

  return rate > 0 && video->rate > 0 ? video->rate / rate : 1;
}

/* Frames that sampling a video gives. */
static int
count_samples (const Cnn3dLoader *loader, const Cnn3dCacheVideo *video)
{
  return (int) ((video->frames - 1) / sample_step (loader, video) + 1e-6) + 1;
}

/* A video that is too short for a clip begins again. */
static void
choose_frames (const Cnn3dLoader *loader, const Cnn3dCacheVideo *video, double start, int *frames)
{
  double step = sample_step (loader, video), first = start * step;
  int n = MAX ((int) ((video->frames - 1 - first) / step + 1e-6) + 1, 1);

  for (int t = 0; t < loader->frames; t++)
    frames[t] = CLAMP ((int) (first + (t % n) * step + 1e-6), 0, video->frames - 1);
}

/* What is drawn for a clip, in this order. */
static void
draw_clip (const Cnn3dLoader *loader, Stream *stream, const Cnn3dCacheVideo *video, double *start,
    Cnn3dBox *box, gboolean *mirrored, int *target, float *contrast, float *brightness)
{
  const Cnn3dLoaderOptions *o = &loader->options;
  double step = sample_step (loader, video), scale = 1;
  int room = (int) (video->frames - 1 - (loader->frames - 1) * step + 1e-6); /* where it can begin */
  Cnn3dCropPosition position = CNN3D_CROP_CENTRE;
  int corner;

  *start = draw_below (stream, MAX (room, 0) + 1) / step;
  if (o->n_scales > 0) {
    scale = o->scales[draw_below (stream, o->n_scales)];
    position = o->position;
  }
  box->w = loader->resize == CNN3D_RESIZE_CROP ? MIN (video->width, video->height) : video->width;
  box->h = loader->resize == CNN3D_RESIZE_CROP ? box->w : video->height;
  box->w = CLAMP ((int) (box->w * scale + 0.5), 1, box->w);
  box->h = CLAMP ((int) (box->h * scale + 0.5), 1, box->h);
  corner = position == CNN3D_CROP_CORNERS ? draw_below (stream, 5) : 4;
  box->x = (video->width - box->w) / 2;
  box->y = (video->height - box->h) / 2;
  if (position == CNN3D_CROP_RANDOM) {
    box->x = draw_below (stream, video->width - box->w + 1);
    box->y = draw_below (stream, video->height - box->h + 1);
  } else if (corner < 4) {
    box->x = corner % 2 == 0 ? 0 : video->width - box->w;
    box->y = corner / 2 == 0 ? 0 : video->height - box->h;
  }
  if (o->flip > 0 && draw (stream) < o->flip
      && (loader->flip_labels == NULL || loader->flip_labels[*target] >= 0)) {
    *mirrored = TRUE;
    if (loader->flip_labels != NULL)
      *target = loader->flip_labels[*target];
  }
  if (o->contrast > 0)
    *contrast += (float) ((2 * draw (stream) - 1) * o->contrast);
  if (o->brightness > 0)
    *brightness = (float) ((2 * draw (stream) - 1) * o->brightness * 255);
}

static gboolean
make_clip (Cnn3dLoader *loader, Cnn3dCropper *cropper, guint8 **pixels, Slot *slot, int index,
    GError **error)
{
  gsize plane = (gsize) loader->frames * loader->size * loader->size, frame;
  float *out = slot->clips + 3 * plane * index, contrast = 1, brightness = 0, scale[3], offset[3];
  g_autofree int *frames = g_new (int, loader->frames);
  gboolean mirrored = FALSE;
  Cnn3dCacheVideo video;
  double start = 0;
  Cnn3dBox box;
  int target;

  cnn3d_cache_get_video (loader->cache, slot->videos[index], &video);
  target = loader->classes[video.label];
  if (loader->options.training) {
    Stream stream = { cnn3d_random_bits (loader->options.seed,
        (slot->batch / loader->n_batches * loader->n_clips + slot->places[index]) * 2) };

    draw_clip (loader, &stream, &video, &start, &box, &mirrored, &target, &contrast, &brightness);
  } else {
    start = g_array_index (loader->windows, Window, slot->places[index]).start;
    box.w = loader->resize == CNN3D_RESIZE_CROP ? MIN (video.width, video.height) : video.width;
    box.h = loader->resize == CNN3D_RESIZE_CROP ? box.w : video.height;
    box.x = (video.width - box.w) / 2;
    box.y = (video.height - box.h) / 2;
  }
  slot->targets[index] = target;
  choose_frames (loader, &video, start, frames);
  cnn3d_cropper_set_box (cropper, &box, mirrored);
  for (int p = 0; p < 3; p++) {
    scale[p] = loader->scale[p] * contrast;
    offset[p] = loader->offset[p] + loader->scale[p] * (128 * (1 - contrast) + brightness);
  }
  frame = (gsize) video.width * video.height * 3;
  *pixels = g_realloc (*pixels, frame * loader->frames);
  /* Frames that follow each other are read at once. */
  for (int t = 0, n; t < loader->frames; t += n) {
    for (n = 1; t + n < loader->frames && frames[t + n] == frames[t] + n;)
      n++;
    if (!cnn3d_cache_read (loader->cache, slot->videos[index], frames[t], n, *pixels + frame * t, error))
      return FALSE;
  }
  for (int t = 0; t < loader->frames; t++)
    cnn3d_cropper_run (cropper, *pixels + frame * t, video.width, loader->channel, scale, offset,
        out + (gsize) t * loader->size * loader->size, plane);
  return TRUE;
}

static void
shuffle (Cnn3dLoader *loader, guint64 epoch)
{
  int n = cnn3d_cache_get_n_videos (loader->cache);
  Stream stream = { cnn3d_random_bits (loader->options.seed, epoch * 2 + 1) };

  if (loader->order != NULL && loader->ordered == epoch)
    return;
  if (loader->order == NULL)
    loader->order = g_new (int, n);
  for (int i = 0; i < n; i++)
    loader->order[i] = i;
  for (int i = n - 1; i > 0; i--) {
    int k = draw_below (&stream, i + 1), swap = loader->order[i];

    loader->order[i] = loader->order[k];
    loader->order[k] = swap;
  }
  loader->ordered = epoch;
}

/* Says which clips a slot gets; with the lock. */
static void
begin_slot (Cnn3dLoader *loader, Slot *slot, guint64 batch)
{
  guint64 epoch = batch / (guint64) loader->n_batches;
  int whole = loader->options.batch, part = loader->part;
  gint64 first = (gint64) (batch % (guint64) loader->n_batches) * whole, end;

  end = MIN (first + whole, loader->n_clips);
  /* A batch that is smaller than the others is still shared evenly in training. */
  if (loader->options.training && end - first < whole)
    part = (int) (end - first) / loader->options.ranks;
  first += (gint64) loader->options.rank * part;
  end = MIN (first + part, end);
  slot->batch = batch;
  slot->n = (int) MAX (end - first, 0);
  slot->done = 0;
  g_clear_error (&slot->error);
  if (loader->options.training)
    shuffle (loader, epoch);
  for (int i = 0; i < slot->n; i++) {
    slot->places[i] = first + i;
    slot->videos[i] = loader->options.training
        ? loader->order[first + i]
        : g_array_index (loader->windows, Window, first + i).video;
  }
}

/* The next clip to be made; NULL if all slots are full. With the lock. */
static Slot *
next_work (Cnn3dLoader *loader, int *clip)
{
  for (;;) {
    /* The slot of the batch that the caller has is not free yet. */
    guint64 limit = loader->taken + N_SLOTS - (loader->in_use ? 1 : 0);
    Slot *slot = &loader->slots[loader->next % N_SLOTS];

    if (loader->next >= limit)
      return NULL;
    if (loader->next_clip == 0)
      begin_slot (loader, slot, loader->next);
    if (loader->next_clip < slot->n) {
      *clip = loader->next_clip++;
      return slot;
    }
    loader->next++;
    loader->next_clip = 0;
    g_cond_broadcast (&loader->ready); /* it may be empty */
  }
}

static gpointer
run_thread (gpointer data)
{
  Cnn3dLoader *loader = data;
  Cnn3dCropper *cropper = cnn3d_cropper_new (loader->size);
  guint8 *pixels = NULL;

  g_mutex_lock (&loader->lock);
  while (!loader->stop) {
    g_autoptr (GError) error = NULL;
    int clip = 0;
    Slot *slot = next_work (loader, &clip);

    if (slot == NULL) {
      g_cond_wait (&loader->work, &loader->lock);
      continue;
    }
    loader->busy++;
    g_mutex_unlock (&loader->lock);
    make_clip (loader, cropper, &pixels, slot, clip, &error);
    g_mutex_lock (&loader->lock);
    loader->busy--;
    slot->done++;
    if (error != NULL && slot->error == NULL)
      slot->error = g_steal_pointer (&error);
    g_cond_broadcast (&loader->ready);
  }
  g_mutex_unlock (&loader->lock);
  cnn3d_cropper_free (cropper);
  g_free (pixels);
  return NULL;
}

static gboolean
map_labels (Cnn3dLoader *loader, const char *const *classes, GError **error)
{
  const char *const *labels = cnn3d_cache_get_labels (loader->cache);
  guint n = g_strv_length ((char **) labels);

  loader->classes = g_new (int, n);
  for (guint i = 0; i < n; i++) {
    loader->classes[i] = classes ? -1 : (int) i;
    for (int c = 0; classes != NULL && classes[c] != NULL; c++)
      if (strcmp (labels[i], classes[c]) == 0)
        loader->classes[i] = c;
    if (loader->classes[i] < 0) {
      g_autofree char *all = g_strjoinv ("', '", (char **) classes);

      g_set_error (error, CNN3D_ERROR, CNN3D_ERROR_MISMATCH, "%s: its label '%s' is none of the network's: '%s'",
          cnn3d_cache_get_folder (loader->cache), labels[i], all);
      return FALSE;
    }
  }
  return TRUE;
}

static void
list_windows (Cnn3dLoader *loader)
{
  loader->windows = g_array_new (FALSE, FALSE, sizeof (Window));
  for (int v = 0; v < cnn3d_cache_get_n_videos (loader->cache); v++) {
    Cnn3dCacheVideo video;
    int samples, stride = loader->options.stride;

    cnn3d_cache_get_video (loader->cache, v, &video);
    samples = count_samples (loader, &video);
    if (stride <= 0) {
      Window middle = { v, MAX ((samples - loader->frames) / 2, 0) };
      g_array_append_val (loader->windows, middle);
    }
    for (int start = 0; stride > 0 && (start == 0 || start + loader->frames <= samples); start += stride)
      g_array_append_val (loader->windows, ((Window){ v, start }));
  }
}

Cnn3dLoader *
cnn3d_loader_new (Cnn3dCache *cache, const Cnn3dConfig *config, const Cnn3dCard *card,
    const Cnn3dLoaderOptions *options, GError **error)
{
  static const Cnn3dLoaderOptions defaults = { 0 };
  g_autoptr (Cnn3dLoader) loader = NULL;
  Cnn3dLoaderOptions *o;
  int rest;

  g_return_val_if_fail (cache != NULL && config != NULL && card != NULL, NULL);

  loader = g_new0 (Cnn3dLoader, 1);
  g_atomic_ref_count_init (&loader->ref_count);
  g_mutex_init (&loader->lock);
  g_cond_init (&loader->work);
  g_cond_init (&loader->ready);
  loader->threads = g_ptr_array_new ();
  loader->cache = cnn3d_cache_ref (cache);
  loader->options = options ? *options : defaults;
  o = &loader->options;
  o->batch = o->batch > 0 ? o->batch : 32;
  o->ranks = MAX (o->ranks, 1);
  o->n_scales = CLAMP (o->n_scales, 0, CNN3D_MAX_CROP_SCALES);
  loader->frames = config->frames > 0 ? config->frames : 16;
  loader->size = config->size > 0 ? config->size : 112;
  loader->part = o->batch / o->ranks;
  loader->resize = card->resize;
  for (int p = 0; p < 3; p++) {
    loader->channel[p] = card->channel_order == CNN3D_CHANNEL_ORDER_RGB ? p : 2 - p;
    loader->scale[p] = 1 / card->std[p];
    loader->offset[p] = -card->mean[p] / card->std[p];
  }
  if (o->batch % o->ranks != 0) {
    g_set_error (error, CNN3D_ERROR, CNN3D_ERROR_CONFIG,
        "a batch of %d clips cannot be shared evenly by %d processes", o->batch, o->ranks);
    return NULL;
  }
  if (!map_labels (loader, o->labels, error))
    return NULL;
  if (o->flip_labels != NULL) {
    const char *const *classes = o->labels ? o->labels : cnn3d_cache_get_labels (cache);
    loader->flip_labels = g_memdup2 (o->flip_labels, g_strv_length ((char **) classes) * sizeof (int));
  }
  o->labels = NULL;
  o->flip_labels = NULL;

  if (o->training) {
    loader->n_clips = cnn3d_cache_get_n_videos (cache);
    rest = (int) (loader->n_clips % o->batch) / o->ranks; /* of each process; may be none */
    loader->n_batches = (int) (loader->n_clips / o->batch) + (rest > 0);
    if (loader->n_clips < o->ranks) {
      g_set_error (error, CNN3D_ERROR, CNN3D_ERROR_CONFIG,
          "%s: %d videos are not enough for %d processes", cnn3d_cache_get_folder (cache),
          (int) loader->n_clips, o->ranks);
      return NULL;
    }
    if (loader->n_clips < o->batch && loader->n_clips % o->ranks != 0) {
      g_set_error (error, CNN3D_ERROR, CNN3D_ERROR_CONFIG,
          "%s: %d videos are less than a batch of %d, and cannot be shared evenly by %d processes",
          cnn3d_cache_get_folder (cache), (int) loader->n_clips, o->batch, o->ranks);
      return NULL;
    }
  } else {
    list_windows (loader);
    loader->n_clips = loader->windows->len;
    loader->n_batches = (int) ((loader->n_clips + o->batch - 1) / o->batch);
  }
  for (int i = 0; i < N_SLOTS; i++) {
    Slot *slot = &loader->slots[i];

    slot->batch = G_MAXUINT64;
    slot->videos = g_new0 (int, loader->part);
    slot->targets = g_new0 (int, loader->part);
    slot->places = g_new0 (gint64, loader->part);
    slot->clips = g_new (float, (gsize) 3 * loader->frames * loader->size * loader->size * loader->part);
  }
  for (int i = 0; i < MAX (o->threads, 1); i++)
    g_ptr_array_add (loader->threads, g_thread_new ("3dcnn-loader", run_thread, loader));
  return g_steal_pointer (&loader);
}

Cnn3dLoader *
cnn3d_loader_ref (Cnn3dLoader *loader)
{
  g_return_val_if_fail (loader != NULL, NULL);
  g_atomic_ref_count_inc (&loader->ref_count);
  return loader;
}

void
cnn3d_loader_unref (Cnn3dLoader *loader)
{
  g_return_if_fail (loader != NULL);
  if (!g_atomic_ref_count_dec (&loader->ref_count))
    return;
  g_mutex_lock (&loader->lock);
  loader->stop = TRUE;
  g_cond_broadcast (&loader->work);
  g_mutex_unlock (&loader->lock);
  for (guint i = 0; i < loader->threads->len; i++)
    g_thread_join (loader->threads->pdata[i]);
  g_ptr_array_unref (loader->threads);
  for (int i = 0; i < N_SLOTS; i++) {
    g_free (loader->slots[i].videos);
    g_free (loader->slots[i].targets);
    g_free (loader->slots[i].places);
    g_free (loader->slots[i].clips);
    g_clear_error (&loader->slots[i].error);
  }
  if (loader->windows != NULL)
    g_array_unref (loader->windows);
  g_free (loader->order);
  g_free (loader->classes);
  g_free (loader->flip_labels);
  cnn3d_cache_unref (loader->cache);
  g_mutex_clear (&loader->lock);
  g_cond_clear (&loader->work);
  g_cond_clear (&loader->ready);
  g_free (loader);
}

int
cnn3d_loader_get_n_batches (Cnn3dLoader *loader)
{
  g_return_val_if_fail (loader != NULL, 0);
  return loader->n_batches;
}

gint64
cnn3d_loader_get_n_clips (Cnn3dLoader *loader)
{
  g_return_val_if_fail (loader != NULL, 0);
  return loader->n_clips;
}

gint64
cnn3d_loader_get_n_used (Cnn3dLoader *loader)
{
  gint64 n;

  g_return_val_if_fail (loader != NULL, 0);
  n = loader->n_clips;
  return loader->options.training ? n - n % loader->options.batch % loader->options.ranks : n;
}

void
cnn3d_loader_seek (Cnn3dLoader *loader, guint64 batch)
{
  g_return_if_fail (loader != NULL);

  g_mutex_lock (&loader->lock);
  /* What is being made is waited for and thrown away; nothing new begins with next at the limit. */
  loader->next = loader->taken + N_SLOTS;
  loader->next_clip = 0;
  while (loader->busy > 0)
    g_cond_wait (&loader->ready, &loader->lock);
  loader->taken = loader->next = batch;
  loader->in_use = FALSE;
  for (int i = 0; i < N_SLOTS; i++)
    loader->slots[i].batch = G_MAXUINT64;
  g_cond_broadcast (&loader->work);
  g_mutex_unlock (&loader->lock);
}

gboolean
cnn3d_loader_next (Cnn3dLoader *loader, Cnn3dLoaderBatch *batch, GError **error)
{
  gboolean ok;
  Slot *slot;

  g_return_val_if_fail (loader != NULL && batch != NULL, FALSE);

  g_mutex_lock (&loader->lock);
  loader->in_use = FALSE; /* the batch before is done with */
  g_cond_broadcast (&loader->work);
  slot = &loader->slots[loader->taken % N_SLOTS];
  while (slot->batch != loader->taken || slot->done < slot->n)
    g_cond_wait (&loader->ready, &loader->lock);
  loader->taken++;
  loader->in_use = TRUE;
  ok = slot->error == NULL;
  if (!ok)
    g_propagate_error (error, g_steal_pointer (&slot->error));
  g_mutex_unlock (&loader->lock);
  *batch = (Cnn3dLoaderBatch){ slot->clips, slot->targets, slot->videos, slot->n };
  return ok;
}
