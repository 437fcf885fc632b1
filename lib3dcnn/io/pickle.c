/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lib3dcnn/io/pickle.h"
#include "lib3dcnn/io/readers.h"

#include <string.h>

/* The VM's state for one pickle. */
typedef struct {
  Cnn3dPickle *p;
  GPtrArray *stack;
  GHashTable *memo; /* index -> value */
  GError **error;
} Vm;

typedef Cnn3dPickleValue Value;

static const struct {
  const char *name;
  Cnn3dDtype dtype;
  int bytes;
} storage_types[] = {
  { "torch.FloatStorage", CNN3D_DTYPE_F32, 4 }, { "torch.HalfStorage", CNN3D_DTYPE_F16, 2 },
  { "torch.BFloat16Storage", CNN3D_DTYPE_BF16, 2 }, { "torch.DoubleStorage", CNN3D_DTYPE_F64, 8 },
  { "torch.LongStorage", CNN3D_DTYPE_OTHER, 8 }, { "torch.IntStorage", CNN3D_DTYPE_OTHER, 4 },
  { "torch.ShortStorage", CNN3D_DTYPE_OTHER, 2 }, { "torch.CharStorage", CNN3D_DTYPE_OTHER, 1 },
  { "torch.ByteStorage", CNN3D_DTYPE_OTHER, 1 }, { "torch.BoolStorage", CNN3D_DTYPE_OTHER, 1 },
};

/* The functions that REDUCE knows; each is built in below. */
static const char *const functions[] = {
  "torch._utils._rebuild_tensor_v2",
  "torch._utils._rebuild_parameter",
  "collections.OrderedDict",
  "torch.Size",
};

static void
value_free (gpointer data)
{
  Value *value = data;

  g_free (value->string);
  g_clear_pointer (&value->items, g_ptr_array_unref);
  g_free (value);
}

void
cnn3d_pickle_init (Cnn3dPickle *pickle, const guint8 *data, gsize size, const char *file)
{
  pickle->data = data;
  pickle->end = data + size;
  pickle->file = file;
  pickle->values = g_ptr_array_new_with_free_func (value_free);
  pickle->storages = g_hash_table_new (g_str_hash, g_str_equal);
}

void
cnn3d_pickle_clear (Cnn3dPickle *pickle)
{
  g_clear_pointer (&pickle->values, g_ptr_array_unref);
  g_clear_pointer (&pickle->storages, g_hash_table_unref);
}

#define FAIL(vm, ...) cnn3d_state_fail ((vm)->error, (vm)->p->file, __VA_ARGS__)

static Value *
push (Vm *vm, Cnn3dPickleType type)
{
  Value *value = g_new0 (Value, 1);

  value->type = type;
  if (type == CNN3D_PICKLE_LIST || type == CNN3D_PICKLE_DICT)
    value->items = g_ptr_array_new ();
  g_ptr_array_add (vm->p->values, value);
  g_ptr_array_add (vm->stack, value);
  return value;
}

static Value *
pop (Vm *vm)
{
  if (vm->stack->len == 0) {
    FAIL (vm, "the pickle takes more from its stack than it put there");
    return NULL;
  }
  return g_ptr_array_steal_index (vm->stack, vm->stack->len - 1);
}

static Value *
top (Vm *vm, Cnn3dPickleType type)
{
  Value *value = vm->stack->len > 0 ? vm->stack->pdata[vm->stack->len - 1] : NULL;

  if (value != NULL && value->type == type)
    return value;
  FAIL (vm, "the pickle adds to something that is no container");
  return NULL;
}

/* Moves what is above the last mark to the end of items, and drops the mark. */
static gboolean
pop_to_mark (Vm *vm, GPtrArray *items)
{
  guint i = vm->stack->len;

  while (i > 0 && ((Value *) vm->stack->pdata[i - 1])->type != CNN3D_PICKLE_MARK)
    i--;
  if (i == 0)
    return FAIL (vm, "the pickle misses a mark");
  for (guint k = i; items != NULL && k < vm->stack->len; k++)
    g_ptr_array_add (items, vm->stack->pdata[k]);
  g_ptr_array_set_size (vm->stack, (int) i - 1);
  return TRUE;
}

static const guint8 *
take (Vm *vm, guint64 n)
{
  const guint8 *data = vm->p->data;

  if (n > (guint64) (vm->p->end - data)) {
    FAIL (vm, "the pickle ends early");
    return NULL;
  }
  vm->p->data += n;
  return data;
}

/* A little-endian number of n bytes. */
static gboolean
take_number (Vm *vm, int n, guint64 *number)
{
  const guint8 *data = take (vm, (guint64) n);

  if (data == NULL)
    return FALSE;
  *number = 0;
  for (int i = 0; i < n; i++)
    *number |= (guint64) data[i] << (8 * i);
  return TRUE;
}

static gboolean
push_bytes (Vm *vm, int length_bytes, Cnn3dPickleType type)
{
  guint64 length;
  const guint8 *data;
  Value *value;

  if (!take_number (vm, length_bytes, &length) || (data = take (vm, length)) == NULL)
    return FALSE;
  if (type == CNN3D_PICKLE_STRING && !g_utf8_validate ((const char *) data, (gssize) length, NULL))
    return FAIL (vm, "the pickle has text that is not UTF-8");
  value = push (vm, type);
  value->string = g_strndup ((const char *) data, length);
  value->length = length;
  return TRUE;
}

/* Two's complement of up to 8 bytes; longer ones stay bytes. */
static gboolean
push_long (Vm *vm, int length_bytes)
{
  Value *value;

  if (!push_bytes (vm, length_bytes, CNN3D_PICKLE_BYTES))
    return FALSE;
  value = vm->stack->pdata[vm->stack->len - 1];
  if (value->length <= 8) {
    guint64 u = 0;

    for (gsize i = 0; i < value->length; i++)
      u |= (guint64) (guint8) value->string[i] << (8 * i);
    if (value->length > 0 && value->length < 8 && (value->string[value->length - 1] & 0x80))
      u |= G_MAXUINT64 << (8 * value->length);
    value->type = CNN3D_PICKLE_INT;
    value->i = (gint64) u;
  }
  return TRUE;
}

static gboolean
push_int (Vm *vm, int bytes)
{
  guint64 u;

  if (!take_number (vm, bytes, &u))
    return FALSE;
  push (vm, CNN3D_PICKLE_INT)->i = bytes == 4 ? (gint32) u : (gint64) u;
  return TRUE;
}

static gboolean
push_float (Vm *vm)
{
  const guint8 *data = take (vm, 8);
  guint64 u = 0;

  if (data == NULL)
    return FALSE;
  for (int i = 0; i < 8; i++)
    u = u << 8 | data[i];
  memcpy (&push (vm, CNN3D_PICKLE_FLOAT)->f, &u, 8);
  return TRUE;
}

static gboolean
push_global (Vm *vm, const char *module, const char *name)
{
  g_autofree char *full = g_strdup_printf ("%s.%s", module, name);
  gboolean known = FALSE;

  for (guint i = 0; i < G_N_ELEMENTS (functions); i++)
    known |= strcmp (full, functions[i]) == 0;
  for (guint i = 0; i < G_N_ELEMENTS (storage_types); i++)
    known |= strcmp (full, storage_types[i].name) == 0;
  if (!known) {
    g_autofree char *printable = g_strescape (full, NULL);

    g_set_error (vm->error, CNN3D_ERROR, CNN3D_ERROR_UNSAFE,
        "%s: asks for the Python object '%.200s'; only tensors and plain containers are read",
        vm->p->file, printable);
    return FALSE;
  }
  push (vm, CNN3D_PICKLE_GLOBAL)->string = g_steal_pointer (&full);
  return TRUE;
}

/* The text form: two lines. */
static gboolean
read_global (Vm *vm)
{
  char *names[2] = { NULL, NULL };
  gboolean ok = TRUE;

  for (int i = 0; i < 2 && ok; i++) {
    const guint8 *line = vm->p->data, *end = memchr (line, '\n', (gsize) (vm->p->end - line));

    if (end == NULL) {
      ok = FAIL (vm, "the pickle ends early");
    } else {
      names[i] = g_strndup ((const char *) line, (gsize) (end - line));
      vm->p->data = end + 1;
    }
  }
  ok = ok && push_global (vm, names[0], names[1]);
  g_free (names[0]);
  g_free (names[1]);
  return ok;
}

static gboolean
read_stack_global (Vm *vm)
{
  Value *name = pop (vm), *module = name ? pop (vm) : NULL;

  if (module == NULL)
    return FALSE;
  if (name->type != CNN3D_PICKLE_STRING || module->type != CNN3D_PICKLE_STRING)
    return FAIL (vm, "the pickle names an object by something that is no text");
  return push_global (vm, module->string, name->string);
}

static gboolean
is_item (const Value *list, guint i, Cnn3dPickleType type)
{
  return i < list->items->len && ((const Value *) list->items->pdata[i])->type == type;
}

/* ('storage', type, key, location, elements[, view]) */
static gboolean
read_persistent (Vm *vm)
{
  Value *id = pop (vm), *storage, *known;
  const Value *type;
  guint k;

  if (id == NULL)
    return FALSE;
  if (id->type != CNN3D_PICKLE_LIST || !is_item (id, 0, CNN3D_PICKLE_STRING)
      || strcmp (((Value *) id->items->pdata[0])->string, "storage") != 0
      || !is_item (id, 1, CNN3D_PICKLE_GLOBAL) || !is_item (id, 2, CNN3D_PICKLE_STRING)
      || !is_item (id, 4, CNN3D_PICKLE_INT))
    return FAIL (vm, "the pickle refers to an outside object that is no storage");
  if (id->items->len > 5 && !is_item (id, 5, CNN3D_PICKLE_NONE))
    return FAIL (vm, "the checkpoint has storages that are views of others, which is not read");
  type = id->items->pdata[1];
  for (k = 0; k < G_N_ELEMENTS (storage_types); k++)
    if (strcmp (type->string, storage_types[k].name) == 0)
      break;
  if (k == G_N_ELEMENTS (storage_types))
    return FAIL (vm, "the checkpoint has a storage of type '%s'", type->string);

  storage = push (vm, CNN3D_PICKLE_STORAGE);
  storage->dtype = storage_types[k].dtype;
  storage->element_bytes = storage_types[k].bytes;
  storage->string = g_strdup (((Value *) id->items->pdata[2])->string);
  storage->i = ((Value *) id->items->pdata[4])->i;
  if (storage->i < 0 || storage->i > G_MAXINT64 / 8)
    return FAIL (vm, "storage '%s' has an impossible size", storage->string);
  known = g_hash_table_lookup (vm->p->storages, storage->string);
  if (known == NULL) {
    g_hash_table_insert (vm->p->storages, storage->string, storage);
  } else {
    if (known->dtype != storage->dtype || known->element_bytes != storage->element_bytes
        || known->i != storage->i)
      return FAIL (vm, "storage '%s' is described in two ways", storage->string);
    vm->stack->pdata[vm->stack->len - 1] = known;
  }
  return TRUE;
}

static int
read_dims (const Value *list, gint64 *dims)
{
  if (list->type != CNN3D_PICKLE_LIST || list->items->len > CNN3D_MAX_DIMS)
    return -1;
  for (guint i = 0; i < list->items->len; i++) {
    if (!is_item (list, i, CNN3D_PICKLE_INT))
      return -1;
    dims[i] = ((Value *) list->items->pdata[i])->i;
    if (dims[i] < 0)
      return -1;
  }
  return (int) list->items->len;
}

/* (storage, first element, shape, strides, requires_grad, hooks) */
static gboolean
rebuild_tensor (Vm *vm, const Value *args)
{
  gint64 dims[CNN3D_MAX_DIMS], strides[CNN3D_MAX_DIMS], last, count = 1;
  int n, n_strides;
  Value *tensor;

  if (args->items->len < 4 || !is_item (args, 0, CNN3D_PICKLE_STORAGE)
      || !is_item (args, 1, CNN3D_PICKLE_INT))
    return FAIL (vm, "the pickle builds a tensor from something that is no storage");
  n = read_dims (args->items->pdata[2], dims);
  n_strides = read_dims (args->items->pdata[3], strides);
  last = ((Value *) args->items->pdata[1])->i;
  if (n < 0 || n != n_strides || last < 0)
    return FAIL (vm, "the pickle builds a tensor with an invalid shape or stride");

  tensor = push (vm, CNN3D_PICKLE_TENSOR);
  tensor->i = last;
  tensor->storage = args->items->pdata[0];
  tensor->n_dims = n;
  memcpy (tensor->dims, dims, (gsize) n * sizeof *dims);
  memcpy (tensor->strides, strides, (gsize) n * sizeof *strides);

  for (int d = 0; d < n; d++) {
    gint64 step;

    if (__builtin_mul_overflow (count, dims[d], &count))
      return FAIL (vm, "the pickle builds a tensor with more elements than fit into memory");
    if (dims[d] > 0
        && (__builtin_mul_overflow (dims[d] - 1, strides[d], &step)
            || __builtin_add_overflow (last, step, &last)))
      last = G_MAXINT64;
  }
  if (count > 0 && last >= tensor->storage->i)
    return FAIL (vm, "the pickle builds a tensor that reaches out of storage '%s'",
        tensor->storage->string);
  return TRUE;
}

static gboolean
reduce (Vm *vm)
{
  Value *args = pop (vm), *function = args ? pop (vm) : NULL;

  if (function == NULL)
    return FALSE;
  if (function->type != CNN3D_PICKLE_GLOBAL || args->type != CNN3D_PICKLE_LIST)
    return FAIL (vm, "the pickle calls something that is no function");
  if (strcmp (function->string, "torch._utils._rebuild_tensor_v2") == 0)
    return rebuild_tensor (vm, args);
  if (strcmp (function->string, "torch._utils._rebuild_parameter") == 0
      && is_item (args, 0, CNN3D_PICKLE_TENSOR)) {
    g_ptr_array_add (vm->stack, args->items->pdata[0]);
    return TRUE;
  }
  if (strcmp (function->string, "collections.OrderedDict") == 0 && args->items->len == 0) {
    push (vm, CNN3D_PICKLE_DICT);
    return TRUE;
  }
  if (strcmp (function->string, "torch.Size") == 0 && is_item (args, 0, CNN3D_PICKLE_LIST)) {
    g_ptr_array_add (vm->stack, args->items->pdata[0]);
    return TRUE;
  }
  return FAIL (vm, "the pickle calls '%s' with arguments that it does not take", function->string);
}

/* Attributes set on an OrderedDict (its _metadata) mean nothing here. */
static gboolean
build (Vm *vm)
{
  return pop (vm) != NULL && top (vm, CNN3D_PICKLE_DICT) != NULL;
}

static gboolean
make_tuple (Vm *vm, guint n)
{
  Value *tuple;
  guint first;

  if (vm->stack->len < n)
    return FAIL (vm, "the pickle takes more from its stack than it put there");
  first = vm->stack->len - n;
  tuple = push (vm, CNN3D_PICKLE_LIST);
  for (guint i = 0; i < n; i++)
    g_ptr_array_add (tuple->items, vm->stack->pdata[first + i]);
  vm->stack->pdata[first] = tuple;
  g_ptr_array_set_size (vm->stack, (int) first + 1);
  return TRUE;
}

static gboolean
make_marked (Vm *vm, Cnn3dPickleType type)
{
  g_autoptr (GPtrArray) items = g_ptr_array_new ();
  Value *value;

  if (!pop_to_mark (vm, items))
    return FALSE;
  if (type == CNN3D_PICKLE_DICT && items->len % 2 != 0)
    return FAIL (vm, "the pickle has a key without a value");
  value = push (vm, type);
  g_ptr_array_unref (value->items);
  value->items = g_steal_pointer (&items);
  return TRUE;
}

static gboolean
add_items (Vm *vm, Cnn3dPickleType type, gboolean marked)
{
  g_autoptr (GPtrArray) items = g_ptr_array_new ();
  Value *container;

  if (marked) {
    if (!pop_to_mark (vm, items))
      return FALSE;
  } else {
    for (int i = 0; i < (type == CNN3D_PICKLE_DICT ? 2 : 1); i++) {
      Value *value = pop (vm);
      if (value == NULL)
        return FALSE;
      g_ptr_array_insert (items, 0, value);
    }
  }
  container = top (vm, type);
  if (container == NULL)
    return FALSE;
  if (type == CNN3D_PICKLE_DICT && items->len % 2 != 0)
    return FAIL (vm, "the pickle has a key without a value");
  g_ptr_array_extend (container->items, items, NULL, NULL);
  return TRUE;
}

static gboolean
memo_put (Vm *vm, guint64 index)
{
  if (vm->stack->len == 0)
    return FAIL (vm, "the pickle remembers a value that is not there");
  g_hash_table_insert (vm->memo, GSIZE_TO_POINTER (index), vm->stack->pdata[vm->stack->len - 1]);
  return TRUE;
}

static gboolean
memo_get (Vm *vm, int bytes)
{
  guint64 index;
  Value *value;

  if (!take_number (vm, bytes, &index))
    return FALSE;
  value = g_hash_table_lookup (vm->memo, GSIZE_TO_POINTER (index));
  if (value == NULL)
    return FAIL (vm, "the pickle recalls a value that it did not remember");
  g_ptr_array_add (vm->stack, value);
  return TRUE;
}

static gboolean
memo_put_at (Vm *vm, int bytes)
{
  guint64 index;

  return take_number (vm, bytes, &index) && memo_put (vm, index);
}

/* The opcodes that torch.save() has written in any version, of protocols 2 to 5. */
static gboolean
execute (Vm *vm, guint8 opcode)
{
  switch (opcode) {
    case 0x80: /* PROTO */
      return take (vm, 1) != NULL;
    case 0x95: /* FRAME */
      return take (vm, 8) != NULL;
    case '(':
      push (vm, CNN3D_PICKLE_MARK);
      return TRUE;
    case '0': /* POP */
      return pop (vm) != NULL;
    case '1': /* POP_MARK */
      return pop_to_mark (vm, NULL);
    case 'N':
      push (vm, CNN3D_PICKLE_NONE);
      return TRUE;
    case 0x88: /* NEWTRUE */
    case 0x89: /* NEWFALSE */
      push (vm, CNN3D_PICKLE_BOOL)->i = opcode == 0x88;
      return TRUE;
    case 'J': /* BININT */
      return push_int (vm, 4);
    case 'K': /* BININT1 */
      return push_int (vm, 1);
    case 'M': /* BININT2 */
      return push_int (vm, 2);
    case 0x8a: /* LONG1 */
      return push_long (vm, 1);
    case 0x8b: /* LONG4 */
      return push_long (vm, 4);
    case 'G': /* BINFLOAT */
      return push_float (vm);
    case 'X': /* BINUNICODE */
      return push_bytes (vm, 4, CNN3D_PICKLE_STRING);
    case 0x8c: /* SHORT_BINUNICODE */
      return push_bytes (vm, 1, CNN3D_PICKLE_STRING);
    case 0x8d: /* BINUNICODE8 */
      return push_bytes (vm, 8, CNN3D_PICKLE_STRING);
    case 'U': /* SHORT_BINSTRING, which Python 2 wrote */
      return push_bytes (vm, 1, CNN3D_PICKLE_STRING);
    case 'T': /* BINSTRING */
      return push_bytes (vm, 4, CNN3D_PICKLE_STRING);
    case 'C': /* SHORT_BINBYTES */
      return push_bytes (vm, 1, CNN3D_PICKLE_BYTES);
    case 'B': /* BINBYTES */
      return push_bytes (vm, 4, CNN3D_PICKLE_BYTES);
    case 0x8e: /* BINBYTES8 */
      return push_bytes (vm, 8, CNN3D_PICKLE_BYTES);
    case ']':
    case ')':
    case 0x8f: /* EMPTY_SET */
      push (vm, CNN3D_PICKLE_LIST);
      return TRUE;
    case '}':
      push (vm, CNN3D_PICKLE_DICT);
      return TRUE;
    case 't': /* TUPLE */
    case 'l': /* LIST */
    case 0x91: /* FROZENSET */
      return make_marked (vm, CNN3D_PICKLE_LIST);
    case 'd': /* DICT */
      return make_marked (vm, CNN3D_PICKLE_DICT);
    case 0x85: /* TUPLE1 */
    case 0x86:
    case 0x87:
      return make_tuple (vm, opcode - 0x84u);
    case 'a': /* APPEND */
      return add_items (vm, CNN3D_PICKLE_LIST, FALSE);
    case 'e':  /* APPENDS */
    case 0x90: /* ADDITEMS */
      return add_items (vm, CNN3D_PICKLE_LIST, TRUE);
    case 's': /* SETITEM */
      return add_items (vm, CNN3D_PICKLE_DICT, FALSE);
    case 'u': /* SETITEMS */
      return add_items (vm, CNN3D_PICKLE_DICT, TRUE);
    case 'q': /* BINPUT */
      return memo_put_at (vm, 1);
    case 'r': /* LONG_BINPUT */
      return memo_put_at (vm, 4);
    case 0x94: /* MEMOIZE */
      return memo_put (vm, g_hash_table_size (vm->memo));
    case 'h': /* BINGET */
      return memo_get (vm, 1);
    case 'j': /* LONG_BINGET */
      return memo_get (vm, 4);
    case 'c': /* GLOBAL */
      return read_global (vm);
    case 0x93: /* STACK_GLOBAL */
      return read_stack_global (vm);
    case 'Q': /* BINPERSID */
      return read_persistent (vm);
    case 'R': /* REDUCE */
      return reduce (vm);
    case 'b': /* BUILD */
      return build (vm);
    default:
      return FAIL (vm, "the pickle has the opcode 0x%02x, which no checkpoint needs", opcode);
  }
}

Cnn3dPickleValue *
cnn3d_pickle_read (Cnn3dPickle *pickle, GError **error)
{
  g_autoptr (GPtrArray) stack = g_ptr_array_new ();
  g_autoptr (GHashTable) memo = g_hash_table_new (NULL, NULL);
  Vm vm = { pickle, stack, memo, error };

  for (;;) {
    const guint8 *opcode = take (&vm, 1);

    if (opcode == NULL)
      return NULL;
    if (*opcode == '.')
      return pop (&vm);
    if (!execute (&vm, *opcode))
      return NULL;
  }
}

Cnn3dPickleValue *
cnn3d_pickle_get (const Cnn3dPickleValue *dict, const char *key)
{
  if (dict == NULL || dict->type != CNN3D_PICKLE_DICT)
    return NULL;
  for (guint i = 0; i + 1 < dict->items->len; i += 2) {
    const Value *k = dict->items->pdata[i];
    if (k->type == CNN3D_PICKLE_STRING && strcmp (k->string, key) == 0)
      return dict->items->pdata[i + 1];
  }
  return NULL;
}
