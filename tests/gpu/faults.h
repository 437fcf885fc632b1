/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Calls to CUDA and cuDNN that fail when the test wants it. */

#include "tests/gpu/double.h"

typedef struct {
  const char *function; /* fails in calls of it; NULL: in any call */
  const char *prefix;   /* or of those whose name begins so */
  int at;               /* the number of the call that fails, from 0 on; -1: none does */
  gboolean lost;        /* and from then on all calls of CUDA fail, as after a fault of the device */
  cudaError_t code;     /* CUDA's, and what cuDNN leaves behind; success: out of memory, and nothing left behind */
  gboolean hit;
  int calls;            /* so far, of those that may fail */
} Faults;

extern Faults faults;

/* 1; or more with CNN3D_TEST_QUICK, which is for builds that repeat what another one has tested in full: then only
 * some of thousands of calls are tried. Has no factor in common with the numbers of plans and rounds. */
int faults_step (void);
/* Takes the place of double_install(). */
gboolean faults_install (void);
/* For each function that can fail: its name. Ends with NULL. */
extern const char *const faults_functions[];
