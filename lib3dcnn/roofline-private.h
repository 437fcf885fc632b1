/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "lib3dcnn/cudnn/lower.h"
#include "lib3dcnn/roofline.h"

G_BEGIN_DECLS

void cnn3d_roofline_of_plan (const Cnn3dGpuPlan *plan, int clips, gboolean half,
    Cnn3dRoofline *roofline);

G_END_DECLS
