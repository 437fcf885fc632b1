/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Calls to CUDA and cuDNN that fail when the test wants it. */

#include "tests/gpu/double.h"

typedef struct {
  const char *function; /* fails in calls of it; NULL: in any call */
  const char *prefix;   /* or of those whose name begins so */
  int at;               /* the number of the call that fails, from 0 on; -1: none does */
  gboolean lost;        /* and from then on all calls of CUDA fail, as after a fault of the device */
  gboolean hit;
  int calls;            /* so far, of those that may fail */
} Faults;

extern Faults faults;

/* Takes the place of double_install(). */
gboolean faults_install (void);
/* For each function that can fail: its name. Ends with NULL. */
extern const char *const faults_functions[];
