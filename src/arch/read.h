/* read.h - what the readers of a model's numbers share. Private to this folder. */
#ifndef ARCH_READ_H
#define ARCH_READ_H

#include "src/arch/arch.h"

enum { MAX_LAYERS = 4096, MAX_WIDTH = 1 << 24 };

/** h->arch and h->name, by what the file calls its architecture. */
infer_status arch_find_row(struct hparams *h, const struct weights *w, struct arena *arena, infer_error *err);
/** What layers differ in, checked; the other numbers are there already. */
infer_status arch_read_layers(struct hparams *h, const struct weights *w, struct arena *arena, infer_error *err);
/** Which activation the model has. */
infer_status arch_read_activation(struct hparams *h, const struct weights *w, infer_error *err);
/** Settings of encoders, and of models with learned positions, that are not known. */
infer_status arch_check_settings(const struct hparams *h, const struct weights *w, infer_error *err);

#endif
