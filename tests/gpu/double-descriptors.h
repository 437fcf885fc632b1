/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * cuDNN's descriptors as the doubles keep them: all that was set on them, and what the real cuDNN says to it. A
 * descriptor that is made and filled in as one before it gets the same answers without the real one, which
 * takes a microsecond instead of milliseconds: so a session can be made thousands of times.
 */

#include "tests/gpu/double.h"

typedef struct Descriptor Descriptor;

/* Ends the test unless the descriptor exists. */
Descriptor *descriptor_of (cudnnBackendDescriptor_t handle);
cudnnBackendDescriptorType_t descriptor_type (const Descriptor *d);
/* Of all that was set on it and on what it refers to, but for pointers; the same in every run. */
guint64 descriptor_hash (const Descriptor *d);
/* What was set last; ends the test if nothing was. */
const void *descriptor_value (const Descriptor *d, cudnnBackendAttributeName_t name, gsize *bytes);
/* The i-th descriptor that was set, or NULL. */
Descriptor *descriptor_child (const Descriptor *d, cudnnBackendAttributeName_t name, guint i);
/* Of a configuration that heuristics proposed: their graph. */
Descriptor *descriptor_graph (const Descriptor *config);

void descriptors_fill (Cnn3dCuda *table, const Cnn3dCuda *real);
void descriptors_check_clean (void);
