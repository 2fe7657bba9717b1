/* group.h - texts in the making that advance together: in each step some tokens of each are computed.
 *
 * Here is no policy, no queue and no thread: whoever drives a group says how many tokens each member computes next.
 *
 *     member_enter()      it gets a session, with the pages that are known of its timeline
 *     group_advance()     n_now tokens of each member are computed, the weights being read once
 *     member_choose()     of those that have computed all: the next token, or the end
 *     member_leave()      its pages go; entering once more goes on where it was
 *
 * What proposes tokens before they are chosen (speculation) has its place between the last two: it lengthens the
 * timeline, and asks for the outputs of all its tokens. */
#ifndef SCHEDULER_GROUP_H
#define SCHEDULER_GROUP_H

#include "src/runtime/generation.h"
#include "src/runtime/steps.h"

struct member {
    struct generation g;
    infer_sampler *sampler; /* its own */
    infer_session *s;       /* NULL: it has no place */
    struct adapter_set *adapters; /* of its sessions, held by others; or NULL */
    int32_t *ids;           /* n_ids: the timeline, which is the prompt and what was chosen */
    size_t n_ids, id_room;
    size_t capacity;        /* most tokens of the timeline */
    size_t n_prompt, n_fresh; /* tokens of the prompt; of these, computed for it */
    bool anew;              /* the sampler's grammar begins after the prompt */
    bool begun;             /* text follows: the prompt has been computed */
    uint32_t n_now;         /* tokens to compute in the next step, member_left() at most */
    infer_status status;    /* of the last step */
    infer_error error;
};

/** Let go of all that it has. */
void member_close(struct member *m);
/** Have a session like `like`, which is empty and has no adapters. */
infer_status member_enter(struct member *m, const infer_session *like, infer_error *err);
/** Have a fork of the session of another one, which has just computed the same timeline. */
infer_status member_follow(struct member *m, struct member *other, infer_error *err);
/** Take what others have computed of its timeline since it entered. On failure it leaves. */
infer_status member_refresh(struct member *m, infer_error *err);
void member_leave(struct member *m);
/** Tokens that are to be computed until the next one can be chosen. */
size_t member_left(const struct member *m);
/** Whether it computes no more than the token that it chose last. */
bool member_decodes(const struct member *m);
/** Compute n_now tokens of each of n members, which have places. Each gets its status; after INFER_E_NOMEM it may try
 *  again. @param room for n. */
void group_advance(struct member *const *members, size_t n, struct advance *room);
/** With nothing left to compute: begin the text after the prompt, choose a token, and look whether more are wanted:
 *  m->g.ended then. */
infer_status member_choose(struct member *m, infer_error *err);

#endif
