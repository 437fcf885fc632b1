/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/gpu/double-descriptors.h"

/* A call that set an attribute, or finalized. */
typedef struct {
  gboolean finalize;
  cudnnBackendAttributeName_t name;
  cudnnBackendAttributeType_t type;
  gint64 count;
  gsize bytes;
  gpointer values;
  Descriptor **children; /* if values are descriptors */
} Change;

struct Descriptor {
  int ref_count;
  cudnnBackendDescriptorType_t type;
  guint64 hash;
  GArray *changes; /* Change */
  /* Of what cuDNN has filled in: a configuration of heuristics, or the engine of a configuration. */
  Descriptor *origin;
  gint64 index;
  /* The real one, made when an answer is not known yet, and how many of the changes it has seen. */
  cudnnBackendDescriptor_t real;
  guint n_seen;
  /* Of heuristics: the real configurations. */
  cudnnBackendDescriptor_t *results;
  gint64 n_results;
};

/* What the real cuDNN has said to a call. */
typedef struct {
  cudnnStatus_t status;
  gint64 count;
  gsize bytes;
  guint8 values[];
} Answer;

static Cnn3dCuda real;
static GHashTable *descriptors; /* those that the code under test has not destroyed */
static GHashTable *answers;     /* hash of a call -> Answer */

/* Hashes. */

static guint64
mix (guint64 hash, guint64 v)
{
  hash = (hash ^ v) * 0x9E3779B97F4A7C15;
  return hash ^ (hash >> 29);
}

static guint64
mix_bytes (guint64 hash, const void *data, gsize n)
{
  const guint8 *bytes = data;
  guint64 word = 0;

  for (; n >= sizeof word; n -= sizeof word, bytes += sizeof word) {
    memcpy (&word, bytes, sizeof word);
    hash = mix (hash, word);
  }
  word = 0;
  memcpy (&word, bytes, n);
  return mix (hash, word);
}

static guint
hash_key (gconstpointer key)
{
  return (guint) *(const guint64 *) key;
}

static gboolean
equal_keys (gconstpointer a, gconstpointer b)
{
  return *(const guint64 *) a == *(const guint64 *) b;
}

static Answer *
find_answer (guint64 call)
{
  return answers != NULL ? g_hash_table_lookup (answers, &call) : NULL;
}

static Answer *
keep_answer (guint64 call, cudnnStatus_t status, gint64 count, const void *values, gsize bytes)
{
  Answer *answer = g_malloc0 (sizeof *answer + bytes);

  *answer = (Answer){ status, count, bytes };
  if (bytes > 0)
    memcpy (answer->values, values, bytes);
  if (answers == NULL)
    answers = g_hash_table_new_full (hash_key, equal_keys, g_free, g_free);
  g_hash_table_insert (answers, g_memdup2 (&call, sizeof call), answer);
  return answer;
}

/* Descriptors. */

static void
descriptor_unref (Descriptor *d)
{
  if (--d->ref_count > 0)
    return;
  if (d->real != NULL)
    real.cudnnBackendDestroyDescriptor (d->real);
  for (gint64 i = 0; i < d->n_results; i++)
    real.cudnnBackendDestroyDescriptor (d->results[i]);
  g_free (d->results);
  for (guint i = 0; i < d->changes->len; i++) {
    Change *c = &g_array_index (d->changes, Change, i);

    for (gint64 k = 0; c->children != NULL && k < c->count; k++)
      descriptor_unref (c->children[k]);
    g_free (c->children);
    g_free (c->values);
  }
  g_array_unref (d->changes);
  if (d->origin != NULL)
    descriptor_unref (d->origin);
  g_free (d);
}

Descriptor *
descriptor_of (cudnnBackendDescriptor_t handle)
{
  if (descriptors == NULL || !g_hash_table_contains (descriptors, handle))
    g_error ("cudnn double: a descriptor that does not exist (any more)");
  return (Descriptor *) (gpointer) handle;
}

cudnnBackendDescriptorType_t
descriptor_type (const Descriptor *d)
{
  return d->type;
}

guint64
descriptor_hash (const Descriptor *d)
{
  return d->hash;
}

static const Change *
find_change (const Descriptor *d, cudnnBackendAttributeName_t name)
{
  for (guint i = d->changes->len; i > 0; i--) {
    const Change *c = &g_array_index (d->changes, Change, i - 1);

    if (!c->finalize && c->name == name)
      return c;
  }
  return NULL;
}

const void *
descriptor_value (const Descriptor *d, cudnnBackendAttributeName_t name, gsize *bytes)
{
  const Change *c = find_change (d, name);

  if (c == NULL)
    g_error ("cudnn double: attribute %d is not set", (int) name);
  *bytes = c->bytes;
  return c->values;
}

Descriptor *
descriptor_child (const Descriptor *d, cudnnBackendAttributeName_t name, guint i)
{
  const Change *c = find_change (d, name);

  return c != NULL && c->children != NULL && i < c->count ? c->children[i] : NULL;
}

Descriptor *
descriptor_graph (const Descriptor *config)
{
  if (config->origin == NULL)
    g_error ("cudnn double: a configuration that was not proposed");
  return descriptor_child (config->origin, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, 0);
}

static gsize
size_of (cudnnBackendAttributeType_t type)
{
  switch (type) {
    case CUDNN_TYPE_INT64:
    case CUDNN_TYPE_DOUBLE:
    case CUDNN_TYPE_VOID_PTR:
    case CUDNN_TYPE_HANDLE:
    case CUDNN_TYPE_BACKEND_DESCRIPTOR:
      return 8;
    case CUDNN_TYPE_CHAR:
    case CUDNN_TYPE_BOOLEAN:
      return 1;
    default:
      return 4;
  }
}

/* The real ones. */

static cudnnBackendDescriptor_t real_of (Descriptor *d);

static cudnnStatus_t
apply (Descriptor *d, const Change *c)
{
  g_autofree cudnnBackendDescriptor_t *children = NULL;

  if (c->finalize)
    return real.cudnnBackendFinalize (d->real);
  if (c->children != NULL) {
    children = g_new (cudnnBackendDescriptor_t, c->count);
    for (gint64 i = 0; i < c->count; i++)
      children[i] = real_of (c->children[i]);
  }
  return real.cudnnBackendSetAttribute (d->real, c->name, c->type, c->count,
      children != NULL ? (const void *) children : c->values);
}

static cudnnBackendDescriptor_t
create_real (cudnnBackendDescriptorType_t type)
{
  cudnnBackendDescriptor_t created = NULL;

  g_assert_cmpint (real.cudnnBackendCreateDescriptor (type, &created), ==, CUDNN_STATUS_SUCCESS);
  return created;
}

/* Has all configurations of heuristics filled in, as many as were asked for first. */
static cudnnStatus_t
fetch_results (Descriptor *heuristics, gint64 room, gint64 *count)
{
  cudnnBackendDescriptor_t from = real_of (heuristics);

  if (heuristics->results == NULL) {
    heuristics->results = g_new0 (cudnnBackendDescriptor_t, room);
    heuristics->n_results = room;
    for (gint64 i = 0; i < room; i++)
      heuristics->results[i] = create_real (CUDNN_BACKEND_ENGINECFG_DESCRIPTOR);
  }
  return real.cudnnBackendGetAttribute (from, CUDNN_ATTR_ENGINEHEUR_RESULTS,
      CUDNN_TYPE_BACKEND_DESCRIPTOR, room, count, heuristics->results);
}

static cudnnBackendDescriptor_t
real_result (Descriptor *heuristics, gint64 index)
{
  gint64 count = 0;

  if (heuristics->results == NULL) {
    real.cudnnBackendGetAttribute (real_of (heuristics), CUDNN_ATTR_ENGINEHEUR_RESULTS,
        CUDNN_TYPE_BACKEND_DESCRIPTOR, 0, &count, NULL);
    g_assert_cmpint (fetch_results (heuristics, count, &count), ==, CUDNN_STATUS_SUCCESS);
  }
  g_assert_cmpint (index, <, heuristics->n_results);
  return heuristics->results[index];
}

static cudnnStatus_t
fetch_engine (Descriptor *engine, gint64 *count)
{
  if (engine->real == NULL)
    engine->real = create_real (engine->type);
  return real.cudnnBackendGetAttribute (real_of (engine->origin), CUDNN_ATTR_ENGINECFG_ENGINE,
      CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, count, &engine->real);
}

static cudnnBackendDescriptor_t
real_of (Descriptor *d)
{
  gint64 count;

  if (d->origin != NULL && d->type == CUDNN_BACKEND_ENGINECFG_DESCRIPTOR)
    return real_result (d->origin, d->index);
  if (d->origin != NULL) {
    if (d->real == NULL)
      fetch_engine (d, &count);
    return d->real;
  }
  if (d->real == NULL)
    d->real = create_real (d->type);
  for (; d->n_seen < d->changes->len; d->n_seen++)
    apply (d, &g_array_index (d->changes, Change, d->n_seen));
  return d->real;
}

/* Adds a change, and tells what cuDNN says to it. */
static cudnnStatus_t
change (Descriptor *d, const Change *c, guint64 call)
{
  Answer *answer = find_answer (call);

  g_assert_null (d->origin);
  if (answer == NULL) {
    real_of (d);
    answer = keep_answer (call, apply (d, c), 0, NULL, 0);
    d->n_seen++;
  }
  g_array_append_val (d->changes, *c);
  d->hash = call;
  return answer->status;
}

/* The calls. */

static cudnnStatus_t
double_cudnnBackendCreateDescriptor (cudnnBackendDescriptorType_t type, cudnnBackendDescriptor_t *handle)
{
  Descriptor *d = g_new0 (Descriptor, 1);

  d->ref_count = 1;
  d->type = type;
  d->hash = mix (0, (guint64) type);
  d->changes = g_array_sized_new (FALSE, FALSE, sizeof (Change), 8);
  if (descriptors == NULL)
    descriptors = g_hash_table_new (NULL, NULL);
  g_hash_table_add (descriptors, d);
  *handle = (cudnnBackendDescriptor_t) (gpointer) d;
  return CUDNN_STATUS_SUCCESS;
}

static cudnnStatus_t
double_cudnnBackendDestroyDescriptor (cudnnBackendDescriptor_t handle)
{
  Descriptor *d = descriptor_of (handle);

  g_hash_table_remove (descriptors, d);
  descriptor_unref (d);
  return CUDNN_STATUS_SUCCESS;
}

const char *
double_device_json (gsize *n)
{
  static GHashTable *files;
  const char *json;

  if (files == NULL)
    files = g_hash_table_new (g_str_hash, g_str_equal);
  json = g_hash_table_lookup (files, double_settings.device);
  if (json == NULL) {
    g_autofree char *file = g_strdup_printf ("%s.json", double_settings.device);
    g_autofree char *path = g_build_filename (g_getenv ("G_TEST_SRCDIR"), "devices", file, NULL);
    g_autofree char *text = NULL;

    g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
    json = g_intern_string (text);
    g_hash_table_insert (files, (gpointer) g_intern_string (double_settings.device), (gpointer) json);
  }
  *n = strlen (json);
  return json;
}

static guint64
hash_values (guint64 hash, const Change *c)
{
  if (c->children != NULL)
    for (gint64 i = 0; i < c->count; i++)
      hash = mix (hash, c->children[i]->hash);
  else if (c->type == CUDNN_TYPE_VOID_PTR) /* differ from run to run */
    for (gint64 i = 0; i < c->count; i++)
      hash = mix (hash, ((void **) c->values)[i] != NULL);
  else
    hash = mix_bytes (hash, c->values, c->bytes);
  return hash;
}

static cudnnStatus_t
double_cudnnBackendSetAttribute (cudnnBackendDescriptor_t handle, cudnnBackendAttributeName_t name,
    cudnnBackendAttributeType_t type, int64_t count, const void *values)
{
  Descriptor *d = descriptor_of (handle);
  Change c = { .name = name, .type = type, .count = count, .bytes = (gsize) count * size_of (type) };
  guint64 call;

  /* These need a handle, which is not the real one here. */
  g_assert_true (name != CUDNN_ATTR_OPERATIONGRAPH_HANDLE && name != CUDNN_ATTR_EXECUTION_PLAN_HANDLE
      && name != CUDNN_ATTR_DEVICEPROP_HANDLE);
  if (name == CUDNN_ATTR_DEVICEPROP_DEVICE_ID) {
    c = (Change){ .name = CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION, .type = CUDNN_TYPE_CHAR };
    values = double_device_json (&c.bytes);
    c.count = (gint64) c.bytes;
  }
  c.values = g_memdup2 (values, c.bytes);
  if (type == CUDNN_TYPE_BACKEND_DESCRIPTOR) {
    c.children = g_new (Descriptor *, count);
    for (gint64 i = 0; i < count; i++) {
      c.children[i] = descriptor_of (((const cudnnBackendDescriptor_t *) values)[i]);
      c.children[i]->ref_count++;
    }
  }
  call = mix (mix (mix (mix (d->hash, 1), c.name), c.type), (guint64) c.count);
  return change (d, &c, hash_values (call, &c));
}

static cudnnStatus_t
double_cudnnBackendFinalize (cudnnBackendDescriptor_t handle)
{
  Descriptor *d = descriptor_of (handle);
  Change c = { .finalize = TRUE };

  if (double_settings.no_fusion && d->type == CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR
      && descriptor_child (d, CUDNN_ATTR_OPERATIONGRAPH_OPS, 1) != NULL)
    return CUDNN_STATUS_NOT_SUPPORTED;
  if (d->type == CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR) {
    gsize bytes;
    cudnnBackendHeurMode_t mode =
        *(const cudnnBackendHeurMode_t *) descriptor_value (d, CUDNN_ATTR_ENGINEHEUR_MODE, &bytes);

    double_counts.queries++;
    if (double_settings.refused_modes & (mode == CUDNN_HEUR_MODE_A ? 1 : 2))
      return CUDNN_STATUS_NOT_SUPPORTED;
  }
  return change (d, &c, mix (d->hash, 2));
}

/* What cuDNN fills in is remembered by where it comes from. */
static void
fill_in (Descriptor *origin, gint64 index, cudnnBackendDescriptor_t handle)
{
  Descriptor *d = descriptor_of (handle);

  g_assert_true (d->origin == NULL && d->changes->len == 0);
  d->origin = origin;
  origin->ref_count++;
  d->index = index;
  d->hash = mix (mix (origin->hash, 3), (guint64) index);
}

static Answer *
ask (Descriptor *d, cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, gint64 room,
    guint64 call, const cudnnBackendDescriptor_t *handles)
{
  gsize size = size_of (type);
  g_autofree guint8 *values = g_malloc0 ((gsize) MAX (room, 1) * size);
  gboolean is_descriptor = type == CUDNN_TYPE_BACKEND_DESCRIPTOR;
  gint64 count = 0;
  cudnnStatus_t status;

  if (!is_descriptor || room == 0)
    status = real.cudnnBackendGetAttribute (real_of (d), name, type, room, &count,
        room > 0 ? values : NULL);
  else if (name == CUDNN_ATTR_ENGINEHEUR_RESULTS)
    status = fetch_results (d, room, &count);
  else
    status = fetch_engine (descriptor_of (handles[0]), &count);
  return keep_answer (call, status, count, values,
      is_descriptor ? 0 : (gsize) CLAMP (count, 0, room) * size);
}

static cudnnStatus_t
double_cudnnBackendGetAttribute (cudnnBackendDescriptor_t handle, cudnnBackendAttributeName_t name,
    cudnnBackendAttributeType_t type, int64_t room, int64_t *count, void *values)
{
  Descriptor *d = descriptor_of (handle);
  guint64 call = mix (mix (mix (mix (d->hash, 4), name), type), (guint64) room);
  cudnnBackendDescriptor_t *handles = type == CUDNN_TYPE_BACKEND_DESCRIPTOR ? values : NULL;
  Answer *answer = find_answer (call);

  g_assert_true (handles == NULL || room == 0 || name == CUDNN_ATTR_ENGINEHEUR_RESULTS
      || (name == CUDNN_ATTR_ENGINECFG_ENGINE && room == 1));
  if (handles != NULL && name == CUDNN_ATTR_ENGINECFG_ENGINE)
    fill_in (d, 0, handles[0]);
  if (answer == NULL)
    answer = ask (d, name, type, room, call, handles);
  if (answer->status != CUDNN_STATUS_SUCCESS)
    return answer->status;
  *count = answer->count;
  if (handles != NULL && name == CUDNN_ATTR_ENGINEHEUR_RESULTS)
    for (gint64 i = 0; i < MIN (answer->count, room); i++)
      fill_in (d, i, handles[i]);
  else if (answer->bytes > 0)
    memcpy (values, answer->values, answer->bytes);
  if (double_settings.numerical_note > 0 && name == CUDNN_ATTR_ENGINE_NUMERICAL_NOTE && *count < room)
    ((cudnnBackendNumericalNote_t *) values)[(*count)++] = (cudnnBackendNumericalNote_t) (double_settings.numerical_note - 1);
  if (double_settings.runtime_compiled && name == CUDNN_ATTR_ENGINE_BEHAVIOR_NOTE && *count < room)
    ((cudnnBackendBehaviorNote_t *) values)[(*count)++] = CUDNN_BEHAVIOR_NOTE_RUNTIME_COMPILATION;
  return answer->status;
}

void
descriptors_fill (Cnn3dCuda *table, const Cnn3dCuda *from)
{
  real = *from;
  table->cudnnBackendCreateDescriptor = double_cudnnBackendCreateDescriptor;
  table->cudnnBackendDestroyDescriptor = double_cudnnBackendDestroyDescriptor;
  table->cudnnBackendSetAttribute = double_cudnnBackendSetAttribute;
  table->cudnnBackendGetAttribute = double_cudnnBackendGetAttribute;
  table->cudnnBackendFinalize = double_cudnnBackendFinalize;
}

void
descriptors_check_clean (void)
{
  if (descriptors != NULL && g_hash_table_size (descriptors) > 0)
    g_error ("cudnn double: %u descriptors are leaked", g_hash_table_size (descriptors));
  g_clear_pointer (&descriptors, g_hash_table_unref);
}
