/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lib3dcnn/cudnn/loader.h"

#include <dlfcn.h>
#include <locale.h>

typedef enum { DRIVER, RUNTIME, CUDNN, CUBLASLT, NVRTC, N_LIBRARIES } Library;

/* Later names are tried when earlier ones are not found; "%d" is the major version of cuDNN's CUDA. */
static const struct {
  const char *names[3];
  const char *beside; /* its folder in NVIDIA's wheels, in which cuDNN looks for it */
  const char *what;
  const char *next_step;
} libraries[N_LIBRARIES] = {
  [DRIVER] = { { "libcuda.so.1" }, NULL, "the NVIDIA driver's library",
      "install the NVIDIA driver (see nvidia-smi)" },
  [RUNTIME] = { { "libcudart.so.13", "libcudart.so.12" }, NULL, "the CUDA runtime, 12.8 or later",
      "install the CUDA toolkit, or run tools/setup-cuda.sh, and set CNN3D_CUDA_PATH to"
      " its lib folder" },
  [CUDNN] = { { "libcudnn.so.9" }, NULL, "cuDNN, 9.8 or later",
      "install cuDNN 9 for your CUDA version, or run tools/setup-cuda.sh, and set CNN3D_CUDA_PATH"
      " to its lib folder" },
  [CUBLASLT] = { { "libcublasLt.so.%d" }, "cublas", "cuBLASLt, which cuDNN needs",
      "install cuBLAS of that version (it is part of the CUDA toolkit), or run tools/setup-cuda.sh, and set"
      " CNN3D_CUDA_PATH to its lib folder" },
  [NVRTC] = { { "libnvrtc.so.%d" }, "cuda_nvrtc", NULL, NULL },
};

typedef struct {
  const Cnn3dCudaSystem *system;
  void *handles[N_LIBRARIES];
  const char *names[N_LIBRARIES]; /* interned */
  int cuda_major; /* of cuDNN's CUDA, as soon as cuDNN is loaded */
  char *cudnn_folder; /* or NULL */
} Loading;

static void
loading_clear (Loading *loading)
{
  g_free (loading->cudnn_folder);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Loading, loading_clear)

G_GNUC_PRINTF (2, 3)
static gboolean
fail (GError **error, const char *format, ...)
{
  g_autofree char *reason = NULL;
  va_list args;

  va_start (args, format);
  reason = g_strdup_vprintf (format, args);
  va_end (args);
  g_set_error (error, CNN3D_ERROR, CNN3D_ERROR_BACKEND, "the cudnn backend cannot be used: %s",
      reason);
  return FALSE;
}

/* The i-th name of a library, or NULL. */
static const char *
library_name (const Loading *loading, Library library, int i)
{
  const char *format = libraries[library].names[i];
  g_autofree char *major = g_strdup_printf ("%d", loading->cuda_major);
  g_auto (GStrv) parts = g_strsplit (format != NULL ? format : "", "%d", 2);
  g_autofree char *name = g_strjoinv (major, parts);

  return format != NULL ? g_intern_string (name) : NULL;
}

/* Where a library may lie, in order: the user's folder, wherever the system looks, beside cuDNN. */
static GPtrArray *
library_places (const Loading *loading, Library library)
{
  GPtrArray *places = g_ptr_array_new_with_free_func (g_free);
  const char *folder = g_getenv (CNN3D_CUDA_PATH_ENV), *name;

  for (int i = 0; folder != NULL && folder[0] != '\0' && (name = library_name (loading, library, i)); i++)
    g_ptr_array_add (places, g_build_filename (folder, name, NULL));
  for (int i = 0; (name = library_name (loading, library, i)) != NULL; i++)
    g_ptr_array_add (places, g_strdup (name));
  if (libraries[library].beside != NULL && loading->cudnn_folder != NULL) {
    g_autofree char *toolkit = g_strdup_printf ("cu%d", loading->cuda_major);

    name = library_name (loading, library, 0);
    g_ptr_array_add (places, g_build_filename (loading->cudnn_folder, name, NULL));
    g_ptr_array_add (places, g_build_filename (loading->cudnn_folder, "..", "..", libraries[library].beside, "lib",
                                 name, NULL));
    g_ptr_array_add (places, g_build_filename (loading->cudnn_folder, "..", "..", toolkit, "lib", name, NULL));
  }
  return places;
}

/* That nothing of a library opened. */
static gboolean
fail_to_open (const Loading *loading, Library library, const char *broken, gboolean *absent, GError **error)
{
  g_autoptr (GString) names = g_string_new (NULL);
  const char *folder = g_getenv (CNN3D_CUDA_PATH_ENV), *name;
  g_autofree char *looked = NULL;

  for (int i = 0; (name = library_name (loading, library, i)) != NULL; i++)
    g_string_append_printf (names, "%s%s", i > 0 ? " or " : "", name);
  if (folder != NULL && folder[0] != '\0')
    looked = g_strdup_printf (", neither in " CNN3D_CUDA_PATH_ENV "=%s%s nor where the system looks", folder,
        g_file_test (folder, G_FILE_TEST_IS_DIR) ? "" : " (which is no folder)");
  if (broken != NULL)
    return fail (error, "%s (%s) does not open (%s): %s", names->str, libraries[library].what, broken,
        libraries[library].next_step);
  if (library == DRIVER)
    *absent = TRUE;
  return fail (error, "%s (%s) is not found%s: %s", names->str, libraries[library].what,
      looked != NULL ? looked : "", libraries[library].next_step);
}

static gboolean
open_place (Loading *loading, Library library, const char *place, char **broken)
{
  g_autofree char *name = g_path_get_basename (place);

  loading->names[library] = g_intern_string (name);
  loading->handles[library] = loading->system->open (place, broken);
  return loading->handles[library] != NULL;
}

static gboolean
open_anywhere (Loading *loading, Library library, char **broken)
{
  g_autoptr (GPtrArray) places = library_places (loading, library);

  for (guint i = 0; i < places->len; i++)
    if (open_place (loading, library, places->pdata[i], broken))
      return TRUE;
  return FALSE;
}

static gboolean
open_library (Loading *loading, Library library, gboolean *absent, GError **error)
{
  g_autofree char *broken = NULL;

  return open_anywhere (loading, library, &broken) || fail_to_open (loading, library, broken, absent, error);
}

static gboolean
find_symbol (Loading *loading, Library library, const char *name, void *pointer, GError **error)
{
  void *symbol = loading->system->symbol (loading->handles[library], name);

  if (symbol == NULL)
    return fail (error, "%s lacks %s, so it is too old; needed is %s: %s", loading->names[library], name,
        libraries[library].what, libraries[library].next_step);
  memcpy (pointer, &symbol, sizeof symbol);
  return TRUE;
}

static gboolean
find_symbols (Loading *loading, Library library, Cnn3dCuda *cuda, GError **error)
{
#define STATUS(of, type, name, parameters, arguments) PLAIN (of, type, name, parameters)
#define PLAIN(of, type, name, parameters)                                                          \
  if (of == library && !find_symbol (loading, library, #name, &cuda->name, error))                 \
    return FALSE;
#include "lib3dcnn/cudnn/functions.inc"
#undef STATUS
#undef PLAIN
  return TRUE;
}

static gboolean
check_driver (const Cnn3dCuda *cuda, gboolean *absent, GError **error)
{
  CUresult result = cuda->cuInit (0);
  int version = 0;

  if (result == CUDA_ERROR_NO_DEVICE) {
    *absent = TRUE;
    return fail (error, "the driver finds no NVIDIA GPU (is it hidden by CUDA_VISIBLE_DEVICES or by"
        " a container that was started without --gpus?)");
  }
  if (result == CUDA_ERROR_STUB_LIBRARY)
    return fail (error, "libcuda.so.1 is the stub of a CUDA toolkit, not the NVIDIA driver's: take the"
        " folder of stubs out of LD_LIBRARY_PATH");
  if (result != CUDA_SUCCESS)
    return fail (error, "the NVIDIA driver does not start (cuInit: error %d): see nvidia-smi and"
        " the kernel's log; after an update of the driver, restart the machine", (int) result);
  if (cuda->cuDriverGetVersion (&version) != CUDA_SUCCESS)
    return fail (error, "the NVIDIA driver does not tell its version");
  return TRUE;
}

/* *other: TRUE if another version might do. */
static gboolean
check_runtime (const Cnn3dCuda *cuda, gboolean *absent, gboolean *other, GError **error)
{
  int version = 0, driver = 0, count = 0;
  cudaError_t code;

  *other = TRUE;
  if (cuda->cudaRuntimeGetVersion (&version) != cudaSuccess)
    return fail (error, "libcudart does not tell its version; needed is %s: %s",
        libraries[RUNTIME].what, libraries[RUNTIME].next_step);
  if (version < CNN3D_CUDART_VERSION)
    return fail (error, "libcudart is version %d.%d, too old; needed is %s: %s", version / 1000,
        version % 1000 / 10, libraries[RUNTIME].what, libraries[RUNTIME].next_step);
  code = cuda->cudaGetDeviceCount (&count);
  if (code == cudaErrorInsufficientDriver) {
    cuda->cuDriverGetVersion (&driver);
    return fail (error, "the NVIDIA driver supports CUDA %d.%d, but libcudart is %d.%d: install a newer"
        " driver, or an older CUDA toolkit", driver / 1000, driver % 1000 / 10, version / 1000,
        version % 1000 / 10);
  }
  *other = FALSE;
  if (code == cudaErrorNoDevice || (code == cudaSuccess && count == 0)) {
    *absent = TRUE;
    return fail (error, "CUDA finds no NVIDIA GPU (is it hidden by CUDA_VISIBLE_DEVICES or by a"
        " container that was started without --gpus?)");
  }
  if (code != cudaSuccess)
    return fail (error, "CUDA does not start: %s (cudaGetDeviceCount: error %d)",
        cuda->cudaGetErrorString (code), (int) code);
  return TRUE;
}

/* The first runtime that is new enough, but not too new for the driver. If none is, the last one tells why. */
static gboolean
load_runtime (Loading *loading, Cnn3dCuda *cuda, gboolean *absent, GError **error)
{
  g_autoptr (GPtrArray) places = library_places (loading, RUNTIME);
  g_autofree char *broken = NULL;
  GError *reason = NULL;
  gboolean other = TRUE;

  for (guint i = 0; other && i < places->len; i++) {
    if (!open_place (loading, RUNTIME, places->pdata[i], &broken))
      continue;
    g_clear_error (&reason);
    if (find_symbols (loading, RUNTIME, cuda, &reason) && check_runtime (cuda, absent, &other, &reason))
      return TRUE;
    /* While it is open, another one of the same name would be taken for it. */
    if (other)
      loading->system->close (loading->handles[RUNTIME]);
  }
  if (reason == NULL)
    return fail_to_open (loading, RUNTIME, broken, absent, error);
  g_propagate_error (error, reason);
  return FALSE;
}

static gboolean
check_cudnn (Loading *loading, const Cnn3dCuda *cuda, GError **error)
{
  gsize version = cuda->cudnnGetVersion ();
  int driver = 0;
  void *symbol;

  if (version < CNN3D_CUDNN_VERSION)
    return fail (error, "libcudnn is version %d.%d.%d, too old; needed is %s: %s",
        (int) (version / 10000), (int) (version % 10000 / 100), (int) (version % 100),
        libraries[CUDNN].what, libraries[CUDNN].next_step);
  loading->cuda_major = (int) (cuda->cudnnGetCudartVersion () / 1000);
  if (cuda->cuDriverGetVersion (&driver) == CUDA_SUCCESS && loading->cuda_major > driver / 1000)
    return fail (error, "libcudnn is made for CUDA %d, but the NVIDIA driver supports CUDA %d.%d: install a"
        " newer driver, or cuDNN for CUDA %d", loading->cuda_major, driver / 1000, driver % 1000 / 10,
        driver / 1000);
  symbol = loading->system->symbol (loading->handles[CUDNN], "cudnnGetVersion");
  loading->cudnn_folder = loading->system->folder (symbol);
  return TRUE;
}

/*
 * cuDNN opens and closes NVRTC each time that it is asked for plans, although none that we take needs it.
 * As long as somebody keeps it open, that takes no time. It may be missing.
 */
static void
keep_nvrtc (Loading *loading)
{
  g_autofree char *ignored = NULL;

  open_anywhere (loading, NVRTC, &ignored);
}

/* cuDNN ends the whole process if it does not find cuBLASLt; it takes the one that is open. */
static gboolean
load (const Cnn3dCudaSystem *system, Cnn3dCuda *cuda, gboolean *absent, GError **error)
{
  g_auto (Loading) loading = { .system = system };

  *absent = FALSE;
  if (!open_library (&loading, DRIVER, absent, error) || !find_symbols (&loading, DRIVER, cuda, error)
      || !check_driver (cuda, absent, error) || !load_runtime (&loading, cuda, absent, error)
      || !open_library (&loading, CUDNN, absent, error) || !find_symbols (&loading, CUDNN, cuda, error)
      || !check_cudnn (&loading, cuda, error) || !open_library (&loading, CUBLASLT, absent, error))
    return FALSE;
  keep_nvrtc (&loading);
  return TRUE;
}

/* In English whatever the locale, as it is looked into. */
static char *
dlopen_reason (void)
{
  static gsize made;
  static locale_t english;
  locale_t before;
  char *reason;

  if (g_once_init_enter (&made)) {
    english = newlocale (LC_ALL_MASK, "C", (locale_t) 0);
    g_once_init_leave (&made, 1);
  }
  before = uselocale (english);
  reason = g_strdup (dlerror ());
  uselocale (before);
  return reason;
}

static void *
open_shared (const char *path, char **broken)
{
  void *library = dlopen (path, RTLD_NOW | RTLD_LOCAL);
  g_autofree char *reason = library == NULL ? dlopen_reason () : NULL;

  /* That there is no such file is said of the library itself, or of one that it needs. */
  if (reason != NULL && *broken == NULL
      && !(g_str_has_prefix (reason, path) && strstr (reason, "No such file") != NULL))
    *broken = g_steal_pointer (&reason);
  return library;
}

static void
close_shared (void *library)
{
  dlclose (library);
}

static char *
find_folder (void *symbol)
{
  Dl_info info;

  return dladdr (symbol, &info) != 0 && strchr (info.dli_fname, '/') != NULL ? g_path_get_dirname (info.dli_fname)
                                                                            : NULL;
}

static const Cnn3dCudaSystem real_system = { open_shared, close_shared, dlsym, find_folder };
static GMutex lock;
static const Cnn3dCudaSystem *current_system = &real_system;
static const Cnn3dCuda *loaded;

const Cnn3dCuda *
cnn3d_cuda_load (gboolean *absent, GError **error)
{
  static Cnn3dCuda table;
  gboolean ignored;
  const Cnn3dCuda *result;

  g_mutex_lock (&lock);
  /* A failure is not kept: libraries may be installed while a program runs. */
  if (loaded == NULL && load (current_system, &table, absent != NULL ? absent : &ignored, error))
    loaded = &table;
  result = loaded;
  g_mutex_unlock (&lock);
  return result;
}

void
cnn3d_cuda_replace (const Cnn3dCuda *cuda)
{
  g_mutex_lock (&lock);
  loaded = cuda;
  g_mutex_unlock (&lock);
}

void
cnn3d_cuda_replace_system (const Cnn3dCudaSystem *system)
{
  g_mutex_lock (&lock);
  loaded = NULL;
  current_system = system != NULL ? system : &real_system;
  g_mutex_unlock (&lock);
}

/* Names that older headers lack. */
enum { ERROR_CONTAINED = 226, ERROR_TENSOR_MEMORY_LEAK = 721 };

/* After these, every call of this process fails. */
static gboolean
is_sticky (cudaError_t code)
{
  switch ((int) code) {
    case cudaErrorIllegalAddress:
    case cudaErrorMisalignedAddress:
    case cudaErrorInvalidAddressSpace:
    case cudaErrorInvalidPc:
    case cudaErrorIllegalInstruction:
    case cudaErrorHardwareStackError:
    case cudaErrorLaunchFailure:
    case cudaErrorLaunchTimeout:
    case cudaErrorAssert:
    case cudaErrorECCUncorrectable:
    case cudaErrorNvlinkUncorrectable:
    case cudaErrorContextIsDestroyed:
    case cudaErrorExternalDevice:
    case ERROR_CONTAINED:
    case ERROR_TENSOR_MEMORY_LEAK:
      return TRUE;
    default:
      return FALSE;
  }
}

static char *
describe_code (const Cnn3dCuda *cuda, cudaError_t code)
{
  return g_strdup_printf ("%s (CUDA error %d)%s", cuda->cudaGetErrorString (code), (int) code,
      is_sticky (code) ? "; the process must be started anew to use the GPU again" : "");
}

gboolean
cnn3d_cuda_fail (const Cnn3dCuda *cuda, const char *what, cudaError_t code, GError **error)
{
  g_autofree char *reason = describe_code (cuda, code);

  cuda->cudaGetLastError ();
  g_set_error (error, CNN3D_ERROR, CNN3D_ERROR_BACKEND, "%s: %s", what, reason);
  return FALSE;
}

gboolean
cnn3d_cudnn_fail (const Cnn3dCuda *cuda, const char *what, cudnnStatus_t status, GError **error)
{
  char reason[512] = "";
  /* What cuDNN has not reported itself. */
  cudaError_t code = cuda->cudaGetLastError ();
  g_autofree char *cause = code != cudaSuccess ? describe_code (cuda, code) : NULL;

  cuda->cudnnGetLastErrorString (reason, sizeof reason);
  g_set_error (error, CNN3D_ERROR, CNN3D_ERROR_BACKEND, "%s: %s%s%s%s%s", what,
      cuda->cudnnGetErrorString (status), reason[0] != '\0' ? ": " : "", reason, cause != NULL ? ": " : "",
      cause != NULL ? cause : "");
  return FALSE;
}
