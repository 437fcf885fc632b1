/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Each way in which the cudnn backend can be missing: what is said, and what `auto` does. */

#include <errno.h>
#include <glib/gstdio.h>
#include <locale.h>

#include "lib3dcnn/backend.h"
#include "lib3dcnn/cudnn/devices.h"
#include "tests/gpu/double.h"

/* What the system is to be like. */
static struct {
  const char *missing_library; /* a prefix */
  const char *only_place; /* where the missing library is all the same */
  gboolean broken; /* it is there, but does not open */
  const char *missing_symbol;
  CUresult init, driver_version;
  cudaError_t runtime_version_code, count_code;
  int driver, runtime_version, count;
  /* If set, what libcudart.so.12 says in place of runtime_version and count_code; 13 has the latter. */
  int older_version;
  cudaError_t older_code;
  gboolean is_older; /* that libcudart.so.12 is open */
  int n_runtimes; /* open */
  gsize cudnn_version, cudnn_cudart;
  GString *opened; /* all that opened, each with a space before and after it */
} sys;

static Cnn3dCuda working;

static void *
open_double (const char *name, char **broken)
{
  g_autofree char *base = g_path_get_basename (name);

  if (sys.missing_library == NULL || !g_str_has_prefix (base, sys.missing_library)
      || g_strcmp0 (name, sys.only_place) == 0) {
    g_string_append_printf (sys.opened, " %s ", name);
    if (g_str_has_prefix (base, "libcudart")) {
      sys.is_older = g_str_has_suffix (base, ".12");
      sys.n_runtimes++;
    }
    return (void *) g_intern_string (base);
  }
  if (sys.broken && *broken == NULL)
    *broken = g_strdup_printf ("%s: invalid ELF header", name);
  return NULL;
}

static void
close_double (void *library)
{
  g_assert_true (g_str_has_prefix (library, "libcudart"));
  sys.n_runtimes--;
}

static CUresult
fake_cuInit (unsigned flags)
{
  return sys.init;
}

static CUresult
fake_cuDriverGetVersion (int *version)
{
  *version = sys.driver;
  return sys.driver_version;
}

static cudaError_t
fake_cudaRuntimeGetVersion (int *version)
{
  *version = sys.is_older && sys.older_version != 0 ? sys.older_version : sys.runtime_version;
  return sys.runtime_version_code;
}

static cudaError_t
fake_cudaGetDeviceCount (int *count)
{
  cudaError_t code = sys.is_older && sys.older_version != 0 ? sys.older_code : sys.count_code;

  if (code == cudaSuccess)
    *count = sys.count;
  return code;
}

static size_t
fake_cudnnGetVersion (void)
{
  return sys.cudnn_version;
}

static size_t
fake_cudnnGetCudartVersion (void)
{
  return sys.cudnn_cudart;
}

static void *
symbol_double (void *library, const char *name)
{
  void *found = NULL;

  if (g_strcmp0 (name, sys.missing_symbol) == 0)
    return NULL;
#define STATUS(of, type, function, parameters, arguments) PLAIN (of, type, function, parameters)
#define PLAIN(of, type, function, parameters)                                                      \
  if (strcmp (name, #function) == 0)                                                               \
    memcpy (&found, &working.function, sizeof found);
#include "lib3dcnn/cudnn/functions.inc"
#undef STATUS
#undef PLAIN
  return found;
}

static char *
folder_double (void *symbol)
{
  return g_strdup ("/wheels/cudnn/lib");
}

static const Cnn3dCudaSystem double_system = { open_double, close_double, symbol_double, folder_double };

static Cnn3dModel *
make_model (void)
{
  static const Cnn3dConfig config = { CNN3D_ARCH_MOBILENET, 0.1, .classes = 3, .frames = 4, .size = 32 };
  g_autoptr (GError) error = NULL;
  Cnn3dModel *model = cnn3d_model_new_synthetic (&config, "gpu", &error);

  g_assert_no_error (error);
  return model;
}

static gboolean
reset (void)
{
  if (!double_install ())
    return FALSE;
  double_settings = (DoubleSettings){ .count = 2, .device = "h100", .capability = 90 };
  working = *double_table ();
  working.cuInit = fake_cuInit;
  working.cuDriverGetVersion = fake_cuDriverGetVersion;
  working.cudaRuntimeGetVersion = fake_cudaRuntimeGetVersion;
  working.cudaGetDeviceCount = fake_cudaGetDeviceCount;
  working.cudnnGetVersion = fake_cudnnGetVersion;
  working.cudnnGetCudartVersion = fake_cudnnGetCudartVersion;
  if (sys.opened != NULL)
    g_string_free (sys.opened, TRUE);
  memset (&sys, 0, sizeof sys);
  sys.opened = g_string_new (NULL);
  sys.driver = 13000;
  sys.runtime_version = 13000;
  sys.cudnn_cudart = 13010;
  sys.count = 2;
  sys.cudnn_version = 91900;
  cnn3d_cuda_replace_system (&double_system);
  return TRUE;
}

/*
 * With backend=cudnn an error that has all of words, separated by '|'; with auto the CPU, and a reason if there
 * is a sign of a GPU.
 */
static void
expect_refused (const char *words, gboolean absent)
{
  g_autoptr (Cnn3dModel) model = make_model ();
  g_autoptr (Cnn3dSession) session = NULL;
  g_autoptr (GError) error = NULL;
  Cnn3dSessionOptions options = { .backend = CNN3D_BACKEND_CUDNN, .threads = 1 };
  g_auto (GStrv) all = g_strsplit (words, "|", -1);

  g_assert_null (cnn3d_session_new (model, &options, &error));
  g_assert_error (error, CNN3D_ERROR, CNN3D_ERROR_BACKEND);
  for (int i = 0; all[i] != NULL; i++)
    if (strstr (error->message, all[i]) == NULL)
      g_error ("'%s' lacks '%s'", error->message, all[i]);
  g_test_message ("%s", error->message);
  g_assert_cmpint (cnn3d_cudnn_absent (), ==, absent);

  options.backend = CNN3D_BACKEND_AUTO;
  session = cnn3d_session_new (model, &options, NULL);
  g_assert_nonnull (session);
  g_assert_cmpint (cnn3d_session_get_backend (session), ==, CNN3D_BACKEND_CPU);
  if (absent)
    g_assert_null (cnn3d_session_get_fallback (session));
  else
    g_assert_cmpstr (cnn3d_session_get_fallback (session), ==, error->message);
}

/* The same, and there are no devices. */
static void
expect (const char *words, gboolean absent)
{
  g_autoptr (GPtrArray) devices = NULL;

  expect_refused (words, absent);
  devices = cnn3d_device_list (NULL, NULL);
  g_assert_null (devices);
  cnn3d_cuda_replace_system (NULL);
}

static void
test_libraries (void)
{
  if (!reset ())
    return;
  sys.missing_library = "libcuda.so";
  expect ("libcuda.so.1|driver|nvidia-smi", TRUE);
  reset ();
  sys.missing_library = "libcudart";
  expect ("libcudart.so.13 or libcudart.so.12|12.8|setup-cuda.sh|CNN3D_CUDA_PATH", FALSE);
  reset ();
  sys.missing_library = "libcudnn";
  expect ("libcudnn.so.9|9.8|setup-cuda.sh|CNN3D_CUDA_PATH", FALSE);
  reset ();
  sys.missing_library = "libcudnn";
  g_setenv (CNN3D_CUDA_PATH_ENV, "/", TRUE);
  expect ("libcudnn.so.9|is not found, neither in CNN3D_CUDA_PATH=/ nor where", FALSE);
  reset ();
  sys.missing_library = "libcudnn";
  g_setenv (CNN3D_CUDA_PATH_ENV, "/mine", TRUE);
  expect ("libcudnn.so.9|CNN3D_CUDA_PATH=/mine (which is no folder)", FALSE);
  g_unsetenv (CNN3D_CUDA_PATH_ENV);
}

/* A library that is there is a sign of a GPU, even if it does not open. */
static void
test_broken (void)
{
  static const char *const names[] = { "libcuda.so", "libcudart.so.13", "libcudnn.so" };

  for (guint i = 0; i < G_N_ELEMENTS (names); i++) {
    g_autofree char *words = g_strdup_printf ("%s|does not open|invalid ELF header|install", names[i]);

    if (!reset ())
      return;
    sys.missing_library = i == 1 ? "libcudart" : names[i];
    sys.broken = TRUE;
    expect (words, FALSE);
  }
}

/* The same with the system's own loader, and with a folder of libraries that are none. */
static void
test_broken_files (void)
{
  g_autofree char *folder = g_dir_make_tmp ("cnn3d-loading-XXXXXX", NULL);
  g_autofree char *path = g_build_filename (folder, "libcuda.so.1", NULL);
  g_autoptr (GError) error = NULL;
  gboolean absent = TRUE;

  cnn3d_cuda_replace_system (NULL);
  g_setenv (CNN3D_CUDA_PATH_ENV, folder, TRUE);
  g_file_set_contents (path, "no library", -1, NULL);
  if (cnn3d_cuda_load (&absent, &error) != NULL) {
    g_test_skip ("there is a GPU");
  } else {
    g_assert_false (absent);
    g_assert_nonnull (strstr (error->message, path));
    g_assert_nonnull (strstr (error->message, "does not open"));
  }
  g_unlink (path);
  g_rmdir (folder);
  g_unsetenv (CNN3D_CUDA_PATH_ENV);
  cnn3d_cuda_replace_system (NULL);
}

/* Nothing is said of a GPU where there is none, in any language that the C library has messages in. */
static void
test_languages (void)
{
  static const char *const languages[] = { "de", "fr", "ja" };
  g_autofree char *before = g_strdup (setlocale (LC_ALL, NULL));
  g_autofree char *folder = g_dir_make_tmp ("cnn3d-loading-XXXXXX", NULL);
  int n_translated = 0;

  cnn3d_cuda_replace_system (NULL);
  g_setenv (CNN3D_CUDA_PATH_ENV, folder, TRUE);
  /* Of a locale that every Debian has, only the messages are in another language, where they are installed. */
  g_assert_nonnull (setlocale (LC_ALL, "C.UTF-8"));
  for (guint i = 0; i < G_N_ELEMENTS (languages); i++) {
    g_autoptr (GError) error = NULL;
    gboolean absent = FALSE;

    g_setenv ("LANGUAGE", languages[i], TRUE);
    setlocale (LC_MESSAGES, "C.UTF-8"); /* so that it is noticed */
    n_translated += strcmp (strerror (ENOENT), "No such file or directory") != 0;
    if (cnn3d_cuda_load (&absent, &error) != NULL)
      break;
    if (strstr (error->message, "libcuda.so.1") != NULL) {
      g_assert_true (absent);
      g_assert_nonnull (strstr (error->message, "is not found"));
    }
  }
  g_test_message ("%d of %d languages are installed", n_translated, (int) G_N_ELEMENTS (languages));
  g_unsetenv ("LANGUAGE");
  setlocale (LC_ALL, before);
  g_rmdir (folder);
  g_unsetenv (CNN3D_CUDA_PATH_ENV);
  cnn3d_cuda_replace_system (NULL);
}

/* Any one symbol missing is an old library. */
static void
test_symbols (void)
{
  static const char *const names[] = {
#define STATUS(of, type, name, parameters, arguments) #name,
#define PLAIN(of, type, name, parameters) #name,
#include "lib3dcnn/cudnn/functions.inc"
#undef STATUS
#undef PLAIN
  };

  for (guint i = 0; i < G_N_ELEMENTS (names); i++) {
    g_autofree char *words = g_strdup_printf ("lacks %s|too old|needed is", names[i]);

    if (!reset ())
      return;
    sys.missing_symbol = names[i];
    expect (words, FALSE);
  }
}

static void
test_driver (void)
{
  if (!reset ())
    return;
  sys.init = CUDA_ERROR_NO_DEVICE;
  expect ("no NVIDIA GPU|CUDA_VISIBLE_DEVICES|--gpus", TRUE);
  reset ();
  sys.init = CUDA_ERROR_STUB_LIBRARY;
  expect ("stub|LD_LIBRARY_PATH", FALSE);
  reset ();
  sys.init = CUDA_ERROR_SYSTEM_DRIVER_MISMATCH;
  expect ("does not start|error 803|nvidia-smi|restart", FALSE);
  reset ();
  sys.driver_version = CUDA_ERROR_UNKNOWN;
  expect ("version", FALSE);
}

static void
test_runtime (void)
{
  if (!reset ())
    return;
  sys.runtime_version = 12040;
  expect ("12.4|too old|12.8|setup-cuda.sh", FALSE);
  reset ();
  sys.runtime_version_code = cudaErrorUnknown;
  expect ("does not tell its version|12.8", FALSE);
  reset ();
  sys.driver = 12040;
  sys.count_code = cudaErrorInsufficientDriver;
  expect ("driver supports CUDA 12.4|libcudart is 13.0|newer driver", FALSE);
  reset ();
  sys.count_code = cudaErrorNoDevice;
  expect ("no NVIDIA GPU|CUDA_VISIBLE_DEVICES", TRUE);
  reset ();
  sys.count = 0;
  expect ("no NVIDIA GPU|CUDA_VISIBLE_DEVICES", TRUE);
  reset ();
  sys.count_code = cudaErrorInitializationError;
  expect ("does not start|error 3", FALSE);
}

static void
test_cudnn (void)
{
  if (!reset ())
    return;
  sys.cudnn_version = 90701;
  expect ("9.7.1|too old|9.8|setup-cuda.sh", FALSE);
  reset ();
  sys.driver = 12080;
  expect ("libcudnn is made for CUDA 13|driver supports CUDA 12.8|newer driver|cuDNN for CUDA 12", FALSE);
}

/* cuDNN ends the process without it, so it is missed before. */
static void
test_cublas (void)
{
  if (!reset ())
    return;
  sys.missing_library = "libcublasLt";
  expect ("libcublasLt.so.13 (cuBLASLt, which cuDNN needs) is not found|setup-cuda.sh|CNN3D_CUDA_PATH", FALSE);
  reset ();
  sys.missing_library = "libcublasLt";
  sys.broken = TRUE;
  expect ("libcublasLt.so.13|does not open|invalid ELF header|install", FALSE);
  /* It is that of cuDNN's CUDA, not of the runtime. */
  reset ();
  sys.cudnn_cudart = 12090;
  sys.missing_library = "libcublasLt";
  expect ("libcublasLt.so.12 (", FALSE);
}

static void
expect_opened (const char *place)
{
  g_autoptr (GPtrArray) devices = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *word = g_strdup_printf (" %s ", place);

  devices = cnn3d_device_list (NULL, &error);
  g_assert_no_error (error);
  if (strstr (sys.opened->str, word) == NULL)
    g_error ("'%s' lacks '%s'", sys.opened->str, place);
  cnn3d_cuda_replace_system (NULL);
}

/* Where cuDNN looks for its neighbours, they are found; first in the user's folder, then as any library. */
static void
test_neighbours (void)
{
  static const struct {
    const char *library, *place;
  } cases[] = {
    { "libcublasLt", "/wheels/cudnn/lib/libcublasLt.so.12" },
    { "libcublasLt", "/wheels/cudnn/lib/../../cublas/lib/libcublasLt.so.12" },
    { "libcublasLt", "/wheels/cudnn/lib/../../cu12/lib/libcublasLt.so.12" },
    { "libnvrtc", "/wheels/cudnn/lib/../../cuda_nvrtc/lib/libnvrtc.so.12" },
    { "libnvrtc", "/wheels/cudnn/lib/../../cu12/lib/libnvrtc.so.12" },
    { "libcublasLt", "libcublasLt.so.12" },
    { "libnvrtc", "libnvrtc.so.12" },
    { "libcublasLt", "/mine/libcublasLt.so.12" },
    { "libnvrtc", "/mine/libnvrtc.so.12" },
  };

  g_setenv (CNN3D_CUDA_PATH_ENV, "/mine", TRUE);
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    if (!reset ())
      break;
    sys.cudnn_cudart = 12090;
    sys.missing_library = cases[i].library;
    sys.only_place = cases[i].place;
    expect_opened (cases[i].place);
  }
  g_unsetenv (CNN3D_CUDA_PATH_ENV);
  if (!reset ())
    return;
  /* NVRTC only saves time. */
  sys.missing_library = "libnvrtc";
  expect_opened ("libcublasLt.so.13");
}

/* The toolkit before: libcudart.so.12 will do. */
static void
test_older_runtime (void)
{
  g_autoptr (GPtrArray) devices = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *versions = NULL;

  if (!reset ())
    return;
  sys.missing_library = "libcudart.so.13";
  sys.driver = 12040;
  sys.runtime_version = 12080;
  sys.cudnn_cudart = 12080;
  devices = cnn3d_device_list (&versions, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (devices->len, ==, 2);
  g_assert_cmpstr (versions, ==, "driver for CUDA 12.4, CUDA 12.8, cuDNN 9.19.0");
  cnn3d_cuda_replace_system (NULL);
}

/* Both are there, and the newer one is too new for the driver. */
static void
test_other_runtime (void)
{
  g_autoptr (GPtrArray) devices = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *versions = NULL;

  if (!reset ())
    return;
  sys.driver = 12040;
  sys.count_code = cudaErrorInsufficientDriver;
  sys.older_version = 12080;
  sys.cudnn_cudart = 12080;
  devices = cnn3d_device_list (&versions, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (versions, ==, "driver for CUDA 12.4, CUDA 12.8, cuDNN 9.19.0");
  g_assert_cmpint (sys.n_runtimes, ==, 1);

  /* The last one tells why. */
  reset ();
  sys.driver = 12040;
  sys.count_code = cudaErrorInsufficientDriver;
  sys.older_version = 12060;
  expect ("libcudart is version 12.6, too old", FALSE);
  g_assert_cmpint (sys.n_runtimes, ==, 0);
  reset ();
  sys.driver = 12040;
  sys.count_code = cudaErrorInsufficientDriver;
  sys.missing_library = "libcudart.so.12";
  expect ("driver supports CUDA 12.4|libcudart is 13.0", FALSE);

  /* No other is asked for devices. */
  reset ();
  sys.count_code = cudaErrorNoDevice;
  sys.older_version = 12080;
  expect ("no NVIDIA GPU", TRUE);
  g_assert_null (strstr (sys.opened->str, "libcudart.so.12"));
}

/* An old one in the user's folder does not hide the system's. */
static void
test_other_folder (void)
{
  g_setenv (CNN3D_CUDA_PATH_ENV, "/mine", TRUE);
  if (reset ()) {
    sys.missing_library = "libcudart.so.13";
    sys.only_place = "libcudart.so.13";
    sys.older_version = 12040;
    expect_opened ("libcudart.so.13");
    g_assert_nonnull (strstr (sys.opened->str, "/mine/libcudart.so.12"));
    g_assert_cmpint (sys.n_runtimes, ==, 1);
  }
  g_unsetenv (CNN3D_CUDA_PATH_ENV);
}

static void
check_device (const char *option, int index, const char *words)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (Cnn3dDevice) device = cnn3d_cuda_find_device (double_table (), option, &error);

  if (words != NULL) {
    g_assert_error (error, CNN3D_ERROR, CNN3D_ERROR_BACKEND);
    if (strstr (error->message, words) == NULL)
      g_error ("'%s' lacks '%s'", error->message, words);
    g_assert_null (device);
    return;
  }
  g_assert_no_error (error);
  g_assert_cmpint (device->index, ==, index);
}

static void
test_devices (void)
{
  if (!reset ())
    return;
  cnn3d_cuda_replace_system (NULL);
  check_device (NULL, 0, NULL);
  check_device ("", 0, NULL);
  check_device ("1", 1, NULL);
  check_device ("GPU-d1", 1, NULL);
  check_device ("d0010203-0405-0607-0809-0a0b0c0d0e0f", 0, NULL);
  check_device ("2", 0, "no device '2' among 2");
  check_device ("GPU-ff", 0, "no device 'GPU-ff'");
  check_device ("GPU-d", 0, "not unique");
  check_device ("-1", 0, "no device '-1'");
  /* As it is printed of a slice, and of a whole GPU. */
  check_device ("MIG-d1010203-0405-0607-0809-0a0b0c0d0e0f", 1, NULL);
  check_device ("mig-d0", 0, NULL);
  check_device ("MIG", 0, "not unique");
  double_settings.capability = 61;
  check_device (NULL, 0, "compute capability 6.1 is below 7.5");
  check_device ("1", 0, "compute capability 6.1 is below 7.5");
  double_check_clean ();
}

static CUresult
fake_slice_name (char *name, int size, CUdevice device)
{
  g_snprintf (name, (gulong) size, "NVIDIA A100-SXM4-40GB MIG 1g.5gb");
  return CUDA_SUCCESS;
}

/* Slices of a GPU are called by what nvidia-smi calls them. */
static void
test_slices (void)
{
  g_autoptr (GPtrArray) devices = NULL;
  g_autoptr (GError) error = NULL;

  if (!reset ())
    return;
  working.cuDeviceGetName = fake_slice_name;
  devices = cnn3d_device_list (NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (((Cnn3dDevice *) devices->pdata[1])->uuid, ==, "MIG-d1010203-0405-0607-0809-0a0b0c0d0e0f");
  cnn3d_cuda_replace_system (NULL);
}

/* cuDNN before 9.11 is not asked about GPUs on which it may crash. */
static void
test_blackwell (void)
{
  static const struct {
    int capability;
    gsize cudnn;
    gboolean refused;
  } cases[] = { { 90, 90800, FALSE }, { 100, 90800, TRUE }, { 100, 91002, TRUE }, { 120, 91002, TRUE },
    { 100, 91100, FALSE }, { 120, 91900, FALSE } };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (GPtrArray) devices = NULL;
    g_autoptr (GError) error = NULL;
    const char *problem;

    if (!reset ())
      return;
    double_settings.capability = cases[i].capability;
    sys.cudnn_version = cases[i].cudnn;
    devices = cnn3d_device_list (NULL, &error);
    g_assert_no_error (error);
    problem = ((Cnn3dDevice *) devices->pdata[0])->problem;
    if (!cases[i].refused) {
      g_assert_null (problem);
      continue;
    }
    g_assert_nonnull (strstr (problem, "needs cuDNN 9.11"));
    expect_refused ("compute capability 1|needs cuDNN 9.11 or later|setup-cuda.sh", FALSE);
  }
  cnn3d_cuda_replace_system (NULL);
}

/* As it is on this machine: whatever is found, nothing crashes, and auto runs. */
static void
test_here (void)
{
  g_autoptr (Cnn3dModel) model = make_model ();
  g_autoptr (GError) error = NULL;
  g_autoptr (Cnn3dSession) session = NULL;
  Cnn3dSessionOptions options = { .backend = CNN3D_BACKEND_CUDNN, .threads = 1 };

  cnn3d_cuda_replace_system (NULL);
  session = cnn3d_session_new (model, &options, &error);
  if (session != NULL) {
    g_test_message ("%s", cnn3d_session_describe (session));
    return;
  }
  g_assert_error (error, CNN3D_ERROR, CNN3D_ERROR_BACKEND);
  g_test_message ("%s", error->message);
  session = cnn3d_session_new (model, NULL, NULL);
  g_assert_nonnull (session);
  g_assert_cmpint (cnn3d_session_get_backend (session), ==, CNN3D_BACKEND_CPU);
}

int
main (int argc, char **argv)
{
  g_setenv ("CNN3D_PLAN_CACHE", "", TRUE);
  g_unsetenv (CNN3D_CUDA_PATH_ENV);
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/gpu/loading/here", test_here);
  g_test_add_func ("/gpu/loading/libraries", test_libraries);
  g_test_add_func ("/gpu/loading/broken", test_broken);
  g_test_add_func ("/gpu/loading/broken-files", test_broken_files);
  g_test_add_func ("/gpu/loading/languages", test_languages);
  g_test_add_func ("/gpu/loading/symbols", test_symbols);
  g_test_add_func ("/gpu/loading/driver", test_driver);
  g_test_add_func ("/gpu/loading/runtime", test_runtime);
  g_test_add_func ("/gpu/loading/cudnn", test_cudnn);
  g_test_add_func ("/gpu/loading/cublas", test_cublas);
  g_test_add_func ("/gpu/loading/neighbours", test_neighbours);
  g_test_add_func ("/gpu/loading/older-runtime", test_older_runtime);
  g_test_add_func ("/gpu/loading/other-runtime", test_other_runtime);
  g_test_add_func ("/gpu/loading/other-folder", test_other_folder);
  g_test_add_func ("/gpu/loading/devices", test_devices);
  g_test_add_func ("/gpu/loading/slices", test_slices);
  g_test_add_func ("/gpu/loading/blackwell", test_blackwell);
  return g_test_run ();
}
