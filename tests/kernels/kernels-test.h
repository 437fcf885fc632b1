/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Tests and benchmarks of every kernel in kernels.inc. No GLib in here, so that it links statically
 * for any machine that an emulator runs.
 */

#include "lib3dcnn/cpu/kernels.h"

#include <stdbool.h>
#include <stddef.h>

typedef void KernelFunc (void); /* cast to the family's type before it is called */

typedef struct Kernel Kernel;
struct Kernel {
  const char *name;
  KernelFunc *func;
  const Cnn3dKernels *table;
  int param; /* PARAM_name below */
  void (*check) (const Kernel *kernel, bool exact);
  void (*bench) (const Kernel *kernel);
};

/* What tells the kernels of a family apart. A new kernel does not compile before it is listed. */
enum {
  PARAM_conv_blocked = 16, /* floats from one position's input to the next one's */
  PARAM_conv_planar = 2,
  PARAM_conv_paired = -16, /* likewise, of pairs */
  PARAM_temporal = 1, /* likewise */
  PARAM_temporal_edge = 1,
  PARAM_temporal_input = 0,
  PARAM_temporal_input_edge = 0,
  PARAM_winograd_input = 0,
  PARAM_winograd_output = 0,
  PARAM_depthwise_s1 = 1, /* stride */
  PARAM_depthwise_s2 = 2,
  PARAM_pool_max = 1,
  PARAM_pool_average = 0,
  PARAM_pixels = 0,
};

/* One check and one benchmark for each family. */
void check_Conv (const Kernel *kernel, bool exact);
void check_Temporal (const Kernel *kernel, bool exact);
void check_TemporalEdge (const Kernel *kernel, bool exact);
void check_TemporalInput (const Kernel *kernel, bool exact);
void check_TemporalInputEdge (const Kernel *kernel, bool exact);
void check_WinogradInput (const Kernel *kernel, bool exact);
void check_WinogradOutput (const Kernel *kernel, bool exact);
void check_Depthwise (const Kernel *kernel, bool exact);
void check_Pool (const Kernel *kernel, bool exact);
void check_Pixel (const Kernel *kernel, bool exact);
void bench_Conv (const Kernel *kernel);
void bench_Temporal (const Kernel *kernel);
void bench_TemporalEdge (const Kernel *kernel);
void bench_TemporalInput (const Kernel *kernel);
void bench_TemporalInputEdge (const Kernel *kernel);
void bench_WinogradInput (const Kernel *kernel);
void bench_WinogradOutput (const Kernel *kernel);
void bench_Depthwise (const Kernel *kernel);
void bench_Pool (const Kernel *kernel);
void bench_Pixel (const Kernel *kernel);

/* How often checks repeat their shapes: 4 is thorough. */
extern int rounds;

/* Numbers from the seed (random.c). */
void random_start (uint64_t seed);
int random_int (int low, int high); /* inclusive */
/* Small integers, of which every sum is exact, or reals. */
float random_value (bool exact);

/*
 * Guarded memory, all poison at first: its end, or its start, touches a page that faults, and
 * there is poison on the other side. Valid until the next case_begin().
 */
float *guarded (size_t floats);
uint8_t *guarded_bytes (size_t bytes);
/* Starts a case, whose description is printed if anything about it fails. */
void case_begin (const char *format, ...) __attribute__ ((format (printf, 1, 2)));
/* All memory so far must come out of the kernel as it is now, but for the expected outputs. */
void case_freeze (void);
/* Declares that *out has to become value, to within error; 0 asks for the same bytes. */
void case_expect (const float *out, double value, double error);
/* out is scratch: anything may be written to it. */
void case_scratch (const float *out, size_t floats);
/* The same, and the floats that its ends are in. */
void case_scratch_bytes (const void *out, size_t bytes);
/* Compares all memory with what was expected of it. */
void case_end (void);
/* The case fails, with a word about why, unless `right`. */
void case_require (bool right, const char *format, ...) __attribute__ ((format (printf, 2, 3)));
/* A test of many cases starts; whether one of them has failed. */
void guard_start (const char *name, int number);
bool guard_failed (void);

/* (K + 8) u sum|ab|: u is the unit roundoff. */
double error_bound (bool exact, int terms, double sum_abs);

/* Floats that are no result of any kernel. */
#define POISON 0x7fe1d3b7u /* a NaN */
void fill (float *p, size_t floats, uint32_t bits);

/* Prints one benchmark: the kernel is called through run until it took long enough. */
void bench_run (const Kernel *kernel, const char *shape, double flops, double bytes,
    void (*run) (void *data), void *data);

/* Aligned, and filled with small numbers. */
float *bench_alloc (size_t floats);

/* peak_tmpl.c: n rounds of multiply-adds in registers; returns the floating point operations. */
typedef double PeakFunc (long n);
PeakFunc peak_baseline, peak_neon, peak_avx2, peak_avx512;
