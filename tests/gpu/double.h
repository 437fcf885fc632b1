/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Doubles of the CUDA driver, the CUDA runtime and of what of cuDNN needs a device. The backend's own code
 * runs on them unchanged. The real cuDNN makes and validates each descriptor and plan, for a device that a
 * file describes (those that are alike only once, see double-descriptors.h); convolutions are computed by
 * plain loops, our kernels by the emulation.
 *
 * Device memory is the host's, between guards, full of NaN at first and again when it is freed. Work on
 * a stream is only queued, and done as late as CUDA allows: when somebody waits for it. So a missing wait
 * shows as a wrong result. Misuse ends the test: an operation on the default stream, a pointer that is not of
 * the device, out of bounds, not aligned or freed, a tensor missing from a variant pack, a call that must
 * not be made while a stream records, something freed twice, or what is of one device (memory, stream, event, graph,
 * cuDNN's handle) while another one is the thread's current one or its stream is of another.
 */

#include "lib3dcnn/cudnn/loader.h"

typedef struct {
  int count;             /* devices */
  const char *device;    /* file of devices/ */
  int capability;        /* of the devices, times ten */
  gboolean no_fusion;    /* cuDNN has no kernel but for the convolution alone */
  gboolean no_capture;   /* streams cannot be recorded */
  int multiprocessors;   /* 0: 132 */
  gboolean faster_later;  /* each measurement is shorter than the one before, not longer */
  int numerical_note;     /* all of cuDNN's engines have this one; 1 more than its number, or 0 */
  gboolean runtime_compiled; /* and are compiled at run time */
  int refused_modes;     /* of heuristics, bits: 1 for mode A, 2 for the fallback */
  unsigned int order;    /* of threads in kernels, see emulate.h */
} DoubleSettings;

typedef struct {
  int kernels, convs; /* launched, not those of recording */
  int graphs;         /* launched */
  int recorded;       /* kernels and convolutions in the graph that was recorded last */
  int syncs, timings;
  int queries;        /* of heuristics */
  guint64 computed; /* hash of all that was computed, in order; the same in a dry run */
} DoubleCounts;

extern DoubleSettings double_settings;
extern DoubleCounts double_counts;
/* As cudaGetLastError() tells it, once. */
extern cudaError_t double_last_error;
/* Everything is checked, nothing computed. */
extern gboolean double_dry;

/* Takes CUDA's place. FALSE, with the test skipped, where there is no cuDNN. */
gboolean double_install (void);
const Cnn3dCuda *double_table (void);
/* Everything has been freed, and no guard was touched; gives the memory back. */
void double_check_clean (void);

/* double-memory.c */
/* On the current device, or pinned by it. */
void *double_allocate (gsize bytes, gboolean device);
/* FALSE if pointer is not of this kind or was freed. */
gboolean double_release (void *pointer, gboolean device);
/* Ends the test unless bytes from pointer on are in a live block of the device. */
void double_check_pointer (const void *pointer, gsize bytes, gsize alignment, const char *what);
/* Ends the test if a word of a kernel's arguments points to what was freed or is not aligned. */
void double_check_words (const void *args, gsize bytes, const char *what);
/* By the current device; ends the test if by another one. */
gboolean double_is_pinned (const void *pointer);
void double_memory_check_clean (void);

/* double-driver.c: devices. */

/* The thread's; of the stream while its work is done. */
int double_current_device (void);
/* Contexts that this thread has pushed and not popped; and whether one was ever made on a device. */
int double_pushed_contexts (void);
gboolean double_has_context (int device);
/* Ends the test unless what is of this device can be used now. */
void double_check_device (int device, const char *kind);
/* Work is done on a stream of this device, or no more (-1); returns what was so before. */
int double_work_on (int device);
void double_driver_fill (Cnn3dCuda *table);

/* double-runtime.c: the queues of streams. */
typedef struct DoubleStream DoubleStream;
typedef struct DoubleOp DoubleOp;
struct DoubleOp {
  int ref_count;
  void (*run) (DoubleOp *op, gboolean dry); /* dry: checks only, for what is timed */
  void (*clear) (DoubleOp *op);
  gboolean is_kernel, is_conv;
  guint64 what; /* of these: what is computed, on whatever memory */
};
/* Takes op. */
cudaError_t double_enqueue (cudaStream_t stream, DoubleOp *op);
void double_runtime_fill (Cnn3dCuda *table);
void double_runtime_check_clean (void);

/* double-descriptors.c: the device that a test has chosen, as a file describes it. */
const char *double_device_json (gsize *n);

/* double-cudnn.c */
void double_cudnn_fill (Cnn3dCuda *table, const Cnn3dCuda *real);
void double_cudnn_check_clean (void);

/* double-conv.c */
typedef struct {
  gboolean half, relu;
  int n, c, k;
  int in[3], out[3], kernel[3], stride[3], pad[3];
  const void *x, *w, *z, *bias;
  void *y;
} DoubleConv;
void double_conv (const DoubleConv *conv);
