/* pieces.c - a queue of texts in two arrays, which begin anew whenever all is fetched. */
#include "src/runtime/pieces.h"

#include "src/base/error.h"

void pieces_close(struct pieces *p, const infer_allocator *a)
{
    mem_free(a, p->item);
    mem_free(a, p->bytes);
    *p = (struct pieces){ 0 };
}

infer_status pieces_add(struct pieces *p, const infer_allocator *a, const struct piece *piece, infer_error *err)
{
    const size_t n = piece->text.n;
    if (!n)
        return INFER_OK;
    if (!mem_grow(a, &p->item, &p->item_room, p->n_items + 1, sizeof *p->item) ||
        !mem_grow(a, &p->bytes, &p->byte_room, p->n_bytes + n + 1, 1))
        return fail_memory(err, "text");
    memcpy(p->bytes + p->n_bytes, piece->text.p, n);
    p->bytes[p->n_bytes + n] = 0;
    p->item[p->n_items].part = piece->part;
    p->item[p->n_items].answer = piece->answer;
    p->item[p->n_items].at = p->n_bytes;
    p->item[p->n_items++].n = n;
    p->n_bytes += n + 1;
    return INFER_OK;
}

bool pieces_next(struct pieces *p, struct piece *piece)
{
    if (!pieces_wait(p)) {
        p->next = p->n_items = p->n_bytes = 0;
        return false;
    }
    const size_t i = p->next++;
    *piece = (struct piece){ p->item[i].part, p->item[i].answer, { p->bytes + p->item[i].at, p->item[i].n } };
    return true;
}
