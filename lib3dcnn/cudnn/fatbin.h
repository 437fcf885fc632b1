/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The compiled kernels for all architectures; the size is 0 if there was no nvcc, and no fatbin given. */
extern const unsigned char cnn3d_fatbin[];
extern const unsigned long long cnn3d_fatbin_size;
