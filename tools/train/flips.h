/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/*
 * For each label, which one it becomes in the mirror. pairs: "left=right,..."; the words stand for
 * labels, or for words in labels: "left=right" also swaps "pan left" and "pan right". never: labels,
 * separated by commas, whose clips must not be mirrored (-1). Both may be NULL, or "@FILE" with one
 * entry a line. NULL with an error if a word is in no label, or a label's other half is not there.
 */
int *flips_parse (const char *const *labels, const char *pairs, const char *never, GError **error);

/* The first label with a word that means another thing in the mirror (left, clockwise); NULL if none has one. */
const char *flips_find_sided (const char *const *labels);

G_END_DECLS
