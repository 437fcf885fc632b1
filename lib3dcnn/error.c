/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lib3dcnn/error.h"

G_DEFINE_QUARK (cnn3d-error-quark, cnn3d_error)
