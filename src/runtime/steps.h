/* steps.h - sessions of one model advance together: tokens of all of them make a step. */
#ifndef RUNTIME_STEPS_H
#define RUNTIME_STEPS_H

#include "src/runtime/session_parts.h"

/** The part of a session in it. */
struct advance {
    infer_session *s;
    uint32_t at, end;    /* tokens of its history that are to be computed; at is moved on */
    float *all;          /* what comes out of each of them, or NULL: of the last one, into the session's output */
    bool alone;          /* each of them has the bits that it would have in a step of its own, if that is asked for all
                          * sessions of the step */
    bool open_end;       /* nothing comes out of it: the text goes on */
    infer_status status; /* of this session; in: INFER_OK */
    uint32_t n, n_out;   /* in the step at hand */
};

/** Compute what n sessions want, which may compute together (workspace.h), in steps of the first one's n_batch tokens.
 *  One that is cancelled or that has no memory drops out with its status, the others go on. err tells of the first that
 *  did.
 *  @return INFER_OK if none did, else the status of one of them. */
infer_status advance_all(struct advance *a, size_t n, infer_error *err);

/** Tell what became of a step of n_tokens that forward_step() did not compute. */
infer_status step_failed(infer_status status, uint32_t n_tokens, infer_error *err);

#endif
