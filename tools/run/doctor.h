/* doctor.h - what infer-run doctor finds. */
#ifndef TOOLS_RUN_DOCTOR_H
#define TOOLS_RUN_DOCTOR_H

#include "tools/common/inspect.h"
#include "tools/common/machine.h"

enum { MOST_FITS = 64, MOST_HINTS = 16 };

/** A named shape, in the largest type that fits. */
struct fit {
    const char *shape, *type;
    uint64_t bytes, bytes_read, cache_per_token; /* of weights; of these, what a token needs; keys and values, F16 */
    uint32_t context; /* most tokens there is room for, as far as the model was trained; 0: it does not fit */
};

struct checkup {
    struct machine machine;
    const char *cpu;    /* kernels in use */
    char features[128]; /* of the processor, beside those of its level; each after a blank */
    int n_threads;
    uint64_t room; /* bytes that a model could have */
    double read;   /* bytes a second; 0: not measured */
    struct fit fits[MOST_FITS];
    size_t n_fits;
    char hints[MOST_HINTS][256];
    size_t n_hints;
};

/** Fill in the fits: fits.c. */
infer_status fits_find(struct checkup *c, infer_error *err);

#endif
