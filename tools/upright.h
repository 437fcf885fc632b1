/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Videos that say how they are to be turned, as those of phones do. */

#include <glib.h>

G_BEGIN_DECLS

/*
 * Elements, as gst_parse_launch() takes them, that turn raw video upright by its image-orientation tag.
 * Where there are none, what leaves it as it is, with one complaint for all calls.
 */
const char *upright_elements (void);

G_END_DECLS
