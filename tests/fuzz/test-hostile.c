/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Files made to do harm: each is an error, and nothing else happens. */

#include <glib/gstdio.h>
#include <string.h>
#include <zip.h>

#include "lib3dcnn/3dcnn.h"

static void
check_refused (const void *data, gsize size, int code, const char *said)
{
  guint8 *copy = g_malloc (MAX (size, 1));
  g_autoptr (GBytes) bytes = NULL;
  g_autoptr (GError) error = NULL;

  memcpy (copy, data, size);
  bytes = g_bytes_new_take (copy, size);
  g_assert_null (cnn3d_model_load_bytes (bytes, "hostile", NULL, &error));
  g_assert_nonnull (error);
  g_test_message ("%.200s", error->message);
  g_assert_error (error, CNN3D_ERROR, code);
  g_assert_nonnull (strstr (error->message, "hostile"));
  g_assert_nonnull (strstr (error->message, said));
}

static void
check_json (const char *json, gsize data_size, const char *said)
{
  g_autoptr (GString) s = g_string_new (NULL);
  guint64 length = GUINT64_TO_LE (strlen (json));

  g_string_append_len (s, (char *) &length, 8);
  g_string_append (s, json);
  for (gsize i = 0; i < data_size; i++)
    g_string_append_c (s, 0);
  check_refused (s->str, s->len, CNN3D_ERROR_FORMAT, said);
}

static void
test_safetensors (void)
{
  static const guint64 lengths[] = { 0, 1, 3, 1000, G_MAXINT32, G_MAXUINT32, G_MAXINT64, G_MAXUINT64,
    G_MAXUINT64 - 7 };
  g_autoptr (GString) deep = g_string_new ("{\"a\":");

  for (guint i = 0; i < G_N_ELEMENTS (lengths); i++) {
    guint8 file[16] = { 0, 0, 0, 0, 0, 0, 0, 0, '{', '}', ' ', ' ' };
    guint64 length = GUINT64_TO_LE (lengths[i]);
    memcpy (file, &length, 8);
    check_refused (file, 12, CNN3D_ERROR_FORMAT, lengths[i] == 3 ? "no tensor" : "header");
  }
  for (int i = 0; i < 1000000; i++)
    g_string_append_c (deep, '[');
  check_json (deep->str, 0, "not valid JSON");
  check_json ("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},"
              "\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4, "overlaps");
  check_json ("{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},"
              "\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}", 8, "overlaps");
  check_json ("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}", 8, "no tensor");
  check_json ("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 8, "no tensor");
  check_json ("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 3, "outside");
  check_json ("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,0]}}", 8, "outside");
  check_json ("{\"a\":{\"dtype\":\"F32\",\"shape\":[-1],\"data_offsets\":[0,4]}}", 4, "shape");
  check_json ("{\"a\":{\"dtype\":\"F32\",\"shape\":[1.5],\"data_offsets\":[0,4]}}", 4, "shape");
  check_json ("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,-4]}}", 4, "outside");
  check_json ("{\"a\":{\"dtype\":\"F32\",\"shape\":[4294967296,4294967296,4294967296],\"data_offsets\":[0,0]}}",
      0, "memory");
  check_json ("{\"a\":{\"dtype\":\"F32\",\"shape\":[4611686018427387904],\"data_offsets\":[0,0]}}", 0, "shape");
  check_json ("{\"a\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1,1,1,1,1,1],\"data_offsets\":[0,4]}}", 4, "shape");
  check_json ("{\"a\":{\"dtype\":\"C64\",\"shape\":[1],\"data_offsets\":[0,8]}}", 8, "C64");
  check_json ("{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},\"a\":"
              "{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}", 8, "no tensor");
  check_json ("{\"a\":7}", 0, "object");
  check_json ("{\"__metadata__\":{\"a\":7}}", 0, "text");
  check_json ("{\"__metadata__\":{\"3dcnn.card\":\"1\",\"3dcnn.architecture\":\"mobilenet\","
              "\"3dcnn.width\":\"1e999\"}}", 0, "width");
  check_json ("{\"__metadata__\":{\"3dcnn.card\":\"1\",\"3dcnn.architecture\":\"mobilenet\","
              "\"3dcnn.classes\":\"-5\"}}", 0, "classes");
  check_json ("{\"__metadata__\":{\"3dcnn.card\":\"1\",\"3dcnn.architecture\":\"mobilenet\","
              "\"3dcnn.std\":\"[1,0,1]\"}}", 0, "std");
  check_json ("{\"__metadata__\":{\"3dcnn.card\":\"2\"}}", 0, "later version");
}

#define MAGIC "\x80\x02\x8a\x0al\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."
#define HEAD MAGIC "\x80\x02M\xe9\x03.\x80\x02}."

/* A legacy checkpoint whose object is this pickle. */
static void
check_pickle (const char *pickle, gsize size, int code, const char *said)
{
  g_autoptr (GByteArray) file = g_byte_array_new ();

  g_byte_array_append (file, (const guint8 *) HEAD, sizeof HEAD - 1);
  g_byte_array_append (file, (const guint8 *) pickle, (guint) size);
  check_refused (file->data, file->len, code, said);
}

#define PICKLE(text, code, said) check_pickle (text, sizeof text - 1, CNN3D_ERROR_##code, said)

static void
test_code (void)
{
  g_autofree char *marker = g_build_filename (g_get_tmp_dir (), "3dcnn-was-here", NULL);
  g_autofree char *command = g_strdup_printf ("touch %s", marker);
  g_autofree char *attack = g_strdup_printf ("\x80\x02" "cos\nsystem\nX%c%c%c%c%s\x85R.",
      (char) strlen (command), 1, 1, 1, command);
  char *length = strchr (attack, 'X') + 1;

  g_remove (marker);
  memset (length + 1, 0, 3);
  check_pickle (attack, (gsize) (length - attack) + 4 + strlen (command) + 3, CNN3D_ERROR_UNSAFE, "os.system");
  PICKLE ("\x80\x02" "cposix\nsystem\n(X\x02\x00\x00\x00idtR.", UNSAFE, "posix.system");
  PICKLE ("\x80\x02" "c__builtin__\neval\n(X\x01\x00\x00\x00" "1tR.", UNSAFE, "__builtin__.eval");
  PICKLE ("\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x02id\x85R.", UNSAFE, "os.system");
  PICKLE ("\x80\x04\x8c\x08" "builtins\x8c\x04" "exec\x93.", UNSAFE, "builtins.exec");
  PICKLE ("\x80\x02" "ctorch.storage\n_load_from_bytes\n.", UNSAFE, "_load_from_bytes");
  PICKLE ("\x80\x02" "ctorch._utils\n_rebuild_tensor_v2\n(X\x01\x00\x00\x00" "1tR.", FORMAT, "storage");
  PICKLE ("\x80\x02" "i__main__\nX\n.", FORMAT, "opcode");
  g_assert_false (g_file_test (marker, G_FILE_TEST_EXISTS));
}

static void
test_pickles (void)
{
  g_autoptr (GString) deep = g_string_new (NULL), shared = g_string_new ("\x80\x02)q");

  PICKLE ("\x80\x02.", FORMAT, "stack");
  PICKLE ("\x80\x02R.", FORMAT, "stack");
  PICKLE ("\x80\x02t.", FORMAT, "mark");
  PICKLE ("\x80\x02h\x07.", FORMAT, "remember");
  PICKLE ("\x80\x02q\x07.", FORMAT, "remember");
  PICKLE ("\x80\x02X\xff\xff\xff\xff" "a.", FORMAT, "early");
  PICKLE ("\x80\x04\x8d\xff\xff\xff\xff\xff\xff\xff\xff" "a.", FORMAT, "early");
  PICKLE ("\x80\x02X\x02\x00\x00\x00\xff\xfe.", FORMAT, "UTF-8");
  PICKLE ("\x80\x02}(K\x01u.", FORMAT, "key");
  PICKLE ("\x80\x02K\x01K\x02s.", FORMAT, "container");
  PICKLE ("\x80\x02K\x01" "b.", FORMAT, "container");
  PICKLE ("\x80\x02Q.", FORMAT, "stack");
  PICKLE ("\x80\x02K\x01Q.", FORMAT, "storage");
  PICKLE ("\x80\x02]", FORMAT, "early");
  PICKLE ("\x80\x02K\x01.\x80\x02].", FORMAT, "state_dict");

  for (int i = 0; i < 1000000; i++)
    g_string_append_c (deep, ')');
  for (int i = 0; i < 999999; i++)
    g_string_append_c (deep, '\x86');
  g_string_append (deep, ".");
  check_pickle (deep->str, deep->len, CNN3D_ERROR_FORMAT, "");

  /* Each tuple holds the one before twice: 2^200 paths to the first. */
  g_string_append_c (shared, 0);
  for (int i = 0; i < 200; i++) {
    g_string_append_len (shared, "h\x00h\x00\x86q\x00", 7);
    shared->str[shared->len - 6] = shared->str[shared->len - 4] = (char) i;
    shared->str[shared->len - 1] = (char) (i + 1);
  }
  g_string_append (shared, ".\x80\x02].");
  check_pickle (shared->str, shared->len, CNN3D_ERROR_FORMAT, "");
}

#define STORAGE(count) "((X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x00" "0X\x03\x00\x00\x00" "cpu" count "NtQ"
#define TENSOR(storage, rest) "\x80\x02}X\x01\x00\x00\x00wctorch._utils\n_rebuild_tensor_v2\n" storage rest "tRs."

static void
test_tensors (void)
{
  /* (storage, offset, (size,), (stride,), False, {}) of a storage of 4 elements */
  PICKLE (TENSOR (STORAGE ("K\x04"), "K\x04K\x01\x85K\x01\x85\x89}"), FORMAT, "reaches out");
  PICKLE (TENSOR (STORAGE ("K\x04"), "K\x00K\x05\x85K\x01\x85\x89}"), FORMAT, "reaches out");
  PICKLE (TENSOR (STORAGE ("K\x04"), "K\x00K\x02\x85J\xff\xff\xff\xff\x85\x89}"), FORMAT, "stride");
  PICKLE (TENSOR (STORAGE ("K\x04"), "J\xff\xff\xff\xffK\x01\x85K\x01\x85\x89}"), FORMAT, "stride");
  PICKLE (TENSOR (STORAGE ("K\x04"), "K\x00\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7fK\x02\x86"
                  "\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7fK\x01\x86\x89}"), FORMAT, "memory");
  PICKLE (TENSOR (STORAGE ("K\x04"), "K\x00K\x02\x85\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f\x85\x89}"), FORMAT,
      "reaches out");
  PICKLE (TENSOR (STORAGE ("\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f"), "K\x00K\x01\x85K\x01\x85\x89}"), FORMAT,
      "impossible");
  PICKLE (TENSOR (STORAGE ("J\xff\xff\xff\xff"), "K\x00K\x01\x85K\x01\x85\x89}"), FORMAT, "impossible");
  /* Its bytes are not in the file, are of another number, or of a storage that is not there. */
  PICKLE (TENSOR (STORAGE ("K\x04"), "K\x00K\x01\x85K\x01\x85\x89}") "\x80\x02].", FORMAT, "no storage");
  PICKLE (TENSOR (STORAGE ("K\x04"), "K\x00K\x01\x85K\x01\x85\x89}") "\x80\x02]X\x01\x00\x00\x00" "0a.", FORMAT,
      "ends before");
  PICKLE (TENSOR (STORAGE ("K\x04"), "K\x00K\x01\x85K\x01\x85\x89}") "\x80\x02]X\x01\x00\x00\x00" "0a."
          "\x05\0\0\0\0\0\0\0abcdabcdabcdabcdabcd", FORMAT, "announced");
  PICKLE (TENSOR (STORAGE ("K\x04"), "K\x00K\x01\x85K\x01\x85\x89}") "\x80\x02]X\x01\x00\x00\x00" "0a."
          "\x04\0\0\0\0\0\0\0abcdabcd", FORMAT, "ends inside");
  PICKLE (TENSOR (STORAGE ("K\x04"), "K\x00K\x01\x85K\x01\x85\x89}") "\x80\x02]X\x01\x00\x00\x00" "9a.", FORMAT,
      "no tensor");
  /* All is well, but it is no network. */
  PICKLE (TENSOR (STORAGE ("K\x04"), "K\x00K\x01\x85K\x01\x85\x89}") "\x80\x02]X\x01\x00\x00\x00" "0a."
          "\x04\0\0\0\0\0\0\0abcdabcdabcdabcd", MISMATCH, "no network");
}

typedef struct {
  const char *name, *data;
  gsize size;
  int method;
} Entry;

static void
check_zip (const Entry *entries, guint n, int code, const char *said)
{
  g_autofree char *path = g_build_filename (g_get_tmp_dir (), "3dcnn-hostile-XXXXXX", NULL);
  int fd = g_mkstemp (path), error;
  zip_t *zip = zip_open (path, ZIP_TRUNCATE, &error);
  g_autofree char *data = NULL;
  gsize size;

  g_close (fd, NULL);
  g_assert_nonnull (zip);
  for (guint i = 0; i < n; i++) {
    zip_source_t *source = zip_source_buffer (zip, entries[i].data, entries[i].size, 0);
    zip_int64_t index = zip_file_add (zip, entries[i].name, source, 0);

    g_assert_cmpint (index, >=, 0);
    zip_set_file_compression (zip, (zip_uint64_t) index, entries[i].method, 0);
  }
  g_assert_cmpint (zip_close (zip), ==, 0);
  g_assert_true (g_file_get_contents (path, &data, &size, NULL));
  g_remove (path);
  check_refused (data, size, code, said);
}

static void
test_archives (void)
{
  static const char system_pickle[] = "\x80\x02" "cos\nsystem\n.";
  static const char tensor[] = TENSOR (STORAGE ("K\x04"), "K\x00K\x01\x85K\x01\x85\x89}");
  g_autofree char *zeros = g_malloc0 (10 * 1000 * 1000);

  check_zip (&(Entry){ "a/b", "x", 1, ZIP_CM_STORE }, 1, CNN3D_ERROR_FORMAT, "not of a PyTorch");
  check_zip (&(Entry){ "a/data.pkl", system_pickle, sizeof system_pickle - 1, ZIP_CM_STORE }, 1,
      CNN3D_ERROR_UNSAFE, "os.system");
  /* A bomb: ten million zeros in some thousand bytes. */
  check_zip (&(Entry){ "a/data.pkl", zeros, 10 * 1000 * 1000, ZIP_CM_DEFLATE }, 1, CNN3D_ERROR_FORMAT,
      "compressed");
  check_zip (&(Entry){ "a/data.pkl", tensor, sizeof tensor - 1, ZIP_CM_STORE }, 1, CNN3D_ERROR_FORMAT,
      "a/data/0");
  check_zip ((Entry[]){ { "a/data.pkl", tensor, sizeof tensor - 1, ZIP_CM_STORE },
                 { "a/data/0", "abcd", 4, ZIP_CM_STORE } }, 2, CNN3D_ERROR_FORMAT, "4 bytes");
  check_zip ((Entry[]){ { "a/byteorder", "big", 3, ZIP_CM_STORE },
                 { "a/data.pkl", tensor, sizeof tensor - 1, ZIP_CM_STORE } }, 2, CNN3D_ERROR_FORMAT,
      "big-endian");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/hostile/safetensors", test_safetensors);
  g_test_add_func ("/hostile/code", test_code);
  g_test_add_func ("/hostile/pickles", test_pickles);
  g_test_add_func ("/hostile/tensors", test_tensors);
  g_test_add_func ("/hostile/archives", test_archives);
  return g_test_run ();
}
