/* identity.c - a number that tells models apart by what their sessions' caches depend on. */
#include "src/model/model.h"

#include "src/base/hash.h"

/* Of a tensor so many pieces of so many bytes are looked at, from its beginning to its end: training on changes nearly
 * all numbers, and files of many gigabytes need not be read. */
enum { PIECES = 8, PIECE_BYTES = 256 };

/* Number i of PIECES that are evenly spread over `room`. */
static uint64_t spread(uint64_t i, uint64_t room)
{
    return room / (PIECES - 1) * i + room % (PIECES - 1) * i / (PIECES - 1);
}

void model_hash_weight(struct hash *h, const struct weight *w, const char *name, uint32_t layer)
{
    const uint32_t n_rows = w->transposed ? w->k : w->rows, width = w->transposed ? w->rows : w->k;
    const uint32_t shape[] = { layer, (uint32_t)w->type, n_rows, width, w->transposed, w->stack ? w->n_stack : 0 };
    uint64_t row_bytes;
    if (!w->data || !n_rows || !dtype_row_bytes(w->type, width, &row_bytes))
        return;
    hash_add(h, name, strlen(name));
    hash_add(h, shape, sizeof shape);
    const uint64_t n = row_bytes < PIECE_BYTES ? row_bytes : PIECE_BYTES;
    for (uint64_t i = 0; i < PIECES; i++) {
        const uint8_t *const matrix = w->stack && w->n_stack ? w->stack[spread(i, w->n_stack - 1)] : w->data;
        if (matrix) /* an adapter's may be of some experts alone */
            hash_add(h, matrix + spread(i, n_rows - 1) * w->stride + spread(i, row_bytes - n), n);
    }
}

static void add_rope(struct hash *h, const struct rope *r)
{
    const uint8_t exact = r->exact_range;
    hash_add(h, r, offsetof(struct rope, exact_range)); /* numbers of 4 bytes, no gaps */
    hash_add(h, &exact, sizeof exact);
}

/* What models have that have the same tensors and are not the same. */
static void add_numbers(struct hash *h, const struct hparams *p)
{
    struct arch_number n;
    for (size_t i = 0; arch_number(p, i, &n); i++)
        hash_add(h, n.is_float ? (const void *)&n.real : &n.whole, 4);
    const uint64_t whole[] = { p->traits, p->d_v, p->activation, p->routing.gating, p->routing.normalise, p->n_layer };
    const float real[] = { arch_attention_scale(p), arch_embd_scale(p), arch_logit_scale(p) };
    hash_add(h, p->name, strlen(p->name));
    hash_add(h, whole, sizeof whole);
    hash_add(h, real, sizeof real);
    add_rope(h, &p->rope);
    add_rope(h, &p->rope_local);
}

uint64_t model_identity(struct infer_model *m)
{
    uint64_t identity = atomic_load(&m->identity);
    if (identity)
        return identity;
    struct hash h;
    hash_init(&h);
    add_numbers(&h, &m->net.h);
    for (int role = 0; role < MODEL_ROLES; role++)
        model_hash_weight(&h, &m->net.w[role], model_tensors[role].gguf ? model_tensors[role].gguf : "", 0);
    for (uint32_t l = 0; l < m->net.h.n_layer; l++) {
        const struct layer *const layer = &m->net.layers[l];
        const int32_t sees[] = { (int32_t)layer->window, layer->rope };
        hash_add(&h, sees, sizeof sees);
        for (int role = 0; role < LAYER_ROLES; role++)
            model_hash_weight(&h, &layer->w[role], layer_tensors[role].gguf ? layer_tensors[role].gguf : "", l);
    }
    identity = hash_value(&h) | 1; /* 0: not known yet */
    atomic_store(&m->identity, identity); /* who else was at it found the same */
    return identity;
}
