/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The model card in safetensors' metadata, which maps strings to strings. All keys begin with
 * "3dcnn."; doc/model-files.md lists them.
 */

#include "lib3dcnn/model-private.h"

G_BEGIN_DECLS

gboolean cnn3d_card_is_in (GHashTable *metadata);

/* Reads configuration and card; classes is checked against labels by the caller, who reads unknown's tensors. */
gboolean cnn3d_card_read (GHashTable *metadata, Cnn3dConfig *config, Cnn3dCard *card, const char *file,
    GError **error);
/* Reads the self-check, if there is one, into model. */
gboolean cnn3d_card_read_check (GHashTable *metadata, Cnn3dModel *model, const char *file, GError **error);

/* Replaces the card's keys in metadata; others stay. */
void cnn3d_card_write (GHashTable *metadata, const Cnn3dConfig *config, const Cnn3dCard *card);
void cnn3d_card_write_check (GHashTable *metadata, const char *seed, const float *logits, int n);

G_END_DECLS
