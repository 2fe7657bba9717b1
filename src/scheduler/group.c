/* group.c - members of a group: a generation, its timeline, and a session for as long as there is a place for it. */
#include "src/scheduler/group.h"

#include "src/base/error.h"

void member_leave(struct member *m)
{
    infer_session_close(&m->s);
    m->n_now = 0;
}

void member_close(struct member *m)
{
    const infer_allocator *const a = m->g.a;
    member_leave(m);
    generation_close(&m->g);
    infer_sampler_close(&m->sampler);
    if (a)
        mem_free(a, m->ids);
    m->ids = NULL;
}

/* ---- A place ---- */

/* What the session holds of its timeline counts as its length. */
static infer_status aim(struct member *m, infer_error *err)
{
    infer_session *const s = m->s;
    const infer_status status = session_aim(s, m->ids, m->n_ids, err);
    if (status != INFER_OK)
        return status;
    if (s->n_tokens < s->n_done)
        s->n_tokens = s->n_done;
    return INFER_OK;
}

static infer_status leave_if(struct member *m, infer_status status)
{
    if (status != INFER_OK)
        member_leave(m);
    return status;
}

infer_status member_enter(struct member *m, const infer_session *like, infer_error *err)
{
    m->s = infer_session_fork(like, err);
    if (!m->s)
        return INFER_E_NOMEM;
    m->s->adapters = adapter_set_retain(m->adapters);
    return leave_if(m, aim(m, err));
}

infer_status member_follow(struct member *m, struct member *other, infer_error *err)
{
    m->s = infer_session_fork(other->s, err);
    if (!m->s)
        return INFER_E_NOMEM;
    m->s->synced = other->s->synced;
    return INFER_OK;
}

infer_status member_refresh(struct member *m, infer_error *err)
{
    return leave_if(m, aim(m, err));
}

size_t member_left(const struct member *m)
{
    return m->n_ids - m->s->n_done;
}

bool member_decodes(const struct member *m)
{
    return m->begun && member_left(m) <= 1;
}

/* ---- A step ---- */

/* Tokens up to `end` are computed; they were written when the session was aimed. */
static void settle(struct member *m, uint32_t end)
{
    infer_session *const s = m->s;
    if (!m->begun)
        m->n_fresh += end - s->n_done;
    s->n_done = end;
    if (s->n_tokens < end)
        s->n_tokens = end;
    s->has_logits = end == m->n_ids;
    if (!m->begun || end < m->n_ids)
        session_publish(s);
}

void group_advance(struct member *const *members, size_t n, struct advance *room)
{
    infer_error err = { INFER_OK, "" };
    for (size_t i = 0; i < n; i++) {
        infer_session *const s = members[i]->s;
        const uint32_t end = s->n_done + members[i]->n_now;
        room[i] = (struct advance){ .s = s, .at = s->n_done, .end = end, .open_end = end < members[i]->n_ids };
    }
    if (n)
        advance_all(room, n, &err);
    for (size_t i = 0; i < n; i++) {
        members[i]->status = room[i].status;
        if (room[i].status == INFER_OK)
            settle(members[i], room[i].end);
        else
            members[i]->error = err;
    }
}

/* ---- Tokens ---- */

/* The timeline is full: its middle is forgotten. */
static infer_status make_room(struct member *m, infer_error *err)
{
    const size_t n = m->n_ids, keep = m->g.o.n_full_keep;
    if (m->g.o.on_full != INFER_FULL_SHIFT)
        return fail(err, INFER_E_FULL, "the context of %zu tokens is full", n);
    if (keep >= n || n - keep < 2)
        return fail(err, INFER_E_FULL, "the context of %zu tokens is full, and %zu are to be kept", n, keep);
    const size_t forget = (n - keep) / 2;
    memmove(m->ids + keep, m->ids + keep + forget, (n - keep - forget) * sizeof *m->ids);
    m->n_ids -= forget;
    return aim(m, err);
}

static bool wants(struct member *m)
{
    return generation_wants(&m->g, m->capacity - m->n_ids + (m->g.o.on_full != INFER_FULL_STOP));
}

static infer_status begin(struct member *m, infer_error *err)
{
    m->begun = true;
    generation_count(&m->g, m->ids, m->n_ids, m->n_fresh < m->n_ids ? m->n_fresh : m->n_ids);
    return generation_begin(&m->g, m->ids, m->n_ids, m->anew, err);
}

infer_status member_choose(struct member *m, infer_error *err)
{
    int32_t id;
    infer_status status = m->begun ? INFER_OK : begin(m, err);
    if (status != INFER_OK || !wants(m))
        return status;
    if (m->n_ids == m->capacity)
        return make_room(m, err);
    if (!mem_grow(m->g.a, &m->ids, &m->id_room, m->n_ids + 1, sizeof *m->ids))
        return fail_memory(err, "a text's tokens");
    status = generation_step(&m->g, infer_session_logits(m->s), &id, err);
    if (status != INFER_OK || id < 0)
        return status;
    m->ids[m->n_ids++] = id;
    status = session_append(m->s, id, err);
    if (status == INFER_OK)
        wants(m);
    return status;
}
