/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lib3dcnn/cpu/bf16.h"

#include <errno.h>

#if defined __x86_64__ && defined __linux__

#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Intel SDM: CPUID.7.0:EDX, and the tiles' two bits of XCR0. */
#define AMX_BF16 (1u << 22)
#define AVX512_FP16 (1u << 23)
#define AMX_TILE (1u << 24)
#define OSXSAVE (1u << 27)
#define XFEATURE_XTILEDATA 18
#define XCR0_TILES (3u << 17)

/* Linux, Documentation/arch/x86/xstate.rst. */
#define REQ_XCOMP_PERM 0x1023

int
cnn3d_amx_request (void)
{
  unsigned a, b, c, d, low, high;

  if (!__get_cpuid (1, &a, &b, &c, &d) || !(c & OSXSAVE)
      || !__get_cpuid_count (7, 0, &a, &b, &c, &d) || !(d & AMX_BF16) || !(d & AMX_TILE))
    return ENODEV;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  if ((low & XCR0_TILES) != XCR0_TILES)
    return ENOSYS;
  return syscall (SYS_arch_prctl, REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0 ? 0 : errno;
}

int
cnn3d_has_fp16 (void)
{
  unsigned a, b, c, d;

  return __get_cpuid_count (7, 0, &a, &b, &c, &d) && (d & AVX512_FP16);
}

#else

int
cnn3d_amx_request (void)
{
  return ENODEV;
}

int
cnn3d_has_fp16 (void)
{
  return 0;
}

#endif
