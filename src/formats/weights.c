/* weights.c - opening, closing and looking up weights, and adding to them. */
#include "src/formats/weights.h"

struct weights *weights_new(const infer_allocator *a, const char *path, enum weights_format format, infer_error *err)
{
    struct weights *w = mem_new(a, 1, sizeof *w);
    if (!w)
        return fail_memory(err, "a model file"), NULL;
    w->a = a;
    w->format = format;
    arena_init(&w->arena, a);
    table_init(&w->meta_index, a);
    table_init(&w->tensor_index, a);
    w->path = arena_text(&w->arena, path, strlen(path));
    if (w->path)
        return w;
    weights_close(&w);
    return fail_memory(err, "a model file"), NULL;
}

void weights_close(struct weights **weights)
{
    struct weights *w = *weights;
    if (!w)
        return;
    for (size_t i = 0; i < w->n_maps; i++)
        map_close(&w->maps[i]);
    mem_free(w->a, w->maps);
    mem_free(w->a, w->metas);
    mem_free(w->a, w->tensors);
    table_free(&w->meta_index);
    table_free(&w->tensor_index);
    arena_free(&w->arena);
    mem_free(w->a, w);
    *weights = NULL;
}

static struct weights *open_path(const infer_allocator *a, const char *path, bool vocabulary_only, infer_error *err)
{
    if (path_kind(path) == 'd' || text_ends(text_of(path), ".safetensors"))
        return hf_open(a, path, vocabulary_only, err);
    return gguf_open(a, path, err);
}

struct weights *weights_open(const infer_allocator *a, const char *path, infer_error *err)
{
    return open_path(a, path, false, err);
}

struct weights *weights_open_vocabulary(const infer_allocator *a, const char *path, infer_error *err)
{
    return open_path(a, path, true, err);
}

struct weights *weights_open_adapter(const infer_allocator *a, const char *path, infer_error *err)
{
    const bool peft = path_kind(path) == 'd' || text_ends(text_of(path), ".safetensors");
    return peft ? hf_open_adapter(a, path, err) : gguf_open(a, path, err);
}

infer_status weights_intact(const struct weights *w, infer_error *err)
{
    size_t size;
    for (size_t i = 0; i < w->n_maps; i++)
        if (!map_intact(&w->maps[i], &size))
            return fail(err, INFER_E_IO, "%s: of %zu bytes that are mapped %zu are left: the file was cut off while in "
                        "use", w->path, w->maps[i].size, size);
    return INFER_OK;
}

struct weights *weights_open_memory(const infer_allocator *a, const void *data, size_t size, const char *name,
                                    infer_error *err)
{
    struct weights *w = weights_new(a, name, WEIGHTS_GGUF, err);
    if (!w)
        return NULL;
    infer_status status = gguf_parse(w, data, size, err);
    uint32_t count = 0;
    if (status == INFER_OK && meta_get_u32(w, "split.count", &count, NULL) == META_FOUND && count > 1)
        status = fail(err, INFER_E_UNKNOWN, "split.count is %u: a file in memory must be whole", count);
    if (status == INFER_OK)
        return w;
    fail_prefix(err, name);
    weights_close(&w);
    return NULL;
}

const struct meta *weights_meta(const struct weights *w, const char *key)
{
    uint32_t i;
    if (!table_find(&w->meta_index, text_of(key), &i))
        return NULL;
    atomic_store_explicit(&w->metas[i].read, true, memory_order_relaxed);
    return &w->metas[i];
}

const struct tensor *weights_tensor(const struct weights *w, struct text name)
{
    uint32_t i;
    return table_find(&w->tensor_index, name, &i) ? &w->tensors[i] : NULL;
}

infer_status weights_map(struct weights *w, const char *path, struct mapping *m, infer_error *err)
{
    if (!mem_grow(w->a, &w->maps, &w->maps_capacity, w->n_maps + 1, sizeof *w->maps))
        return fail_memory(err, "the list of files");
    const infer_status status = map_open(m, path, err);
    if (status == INFER_OK)
        w->maps[w->n_maps++] = *m;
    return status;
}

/* Check a key or name, put a terminated copy into *t and enter it in the index under the number i. */
static infer_status enter(struct weights *w, struct table *index, struct text *t, size_t i, size_t max,
                          const char *kind, infer_error *err)
{
    if (!t->n || t->n > max)
        return fail(err, INFER_E_FORMAT, "%s %zu has a name of %zu bytes, expected 1 to %zu", kind, i + 1, t->n, max);
    if (!text_is_clean(*t))
        return fail(err, INFER_E_FORMAT, "%s %zu is named \"%s\", expected UTF-8 without control characters", kind,
                    i + 1, quote(*t).s);
    if (i > UINT32_MAX || !(t->p = arena_text(&w->arena, t->p, t->n)))
        return fail_memory(err, "names");
    switch (table_add(index, *t, (uint32_t)i)) {
    case TABLE_ADDED:
        return INFER_OK;
    case TABLE_THERE:
        return fail(err, INFER_E_FORMAT, "%s \"%s\" is there twice", kind, quote(*t).s);
    default:
        return fail_memory(err, "names");
    }
}

infer_status weights_add_meta(struct weights *w, const struct meta *m, infer_error *err)
{
    if (!mem_grow(w->a, &w->metas, &w->metas_capacity, w->n_metas + 1, sizeof *w->metas))
        return fail_memory(err, "metadata");
    struct meta *new = &w->metas[w->n_metas];
    *new = *m;
    const infer_status status = enter(w, &w->meta_index, &new->key, w->n_metas, MAX_KEY, "metadata entry", err);
    w->n_metas += status == INFER_OK;
    return status;
}

infer_status weights_add_tensor(struct weights *w, const struct tensor *t, infer_error *err)
{
    if (!mem_grow(w->a, &w->tensors, &w->tensors_capacity, w->n_tensors + 1, sizeof *w->tensors))
        return fail_memory(err, "the list of tensors");
    struct tensor *new = &w->tensors[w->n_tensors];
    *new = *t;
    const infer_status status = enter(w, &w->tensor_index, &new->name, w->n_tensors, MAX_NAME, "tensor", err);
    w->n_tensors += status == INFER_OK;
    return status;
}

infer_status tensor_measure(struct tensor *t, infer_error *err)
{
    const struct dtype_info *type = dtype_info(t->type);
    if (!type)
        return fail(err, INFER_E_UNKNOWN, "tensor \"%s\" has the unknown type %d", quote(t->name).s, (int)t->type);
    for (int i = t->n_dims; i < TENSOR_MAX_DIMS; i++)
        t->ne[i] = 1;
    if (t->ne[0] % type->block)
        return fail(err, INFER_E_FORMAT, "tensor \"%s\": rows of %llu values, %s has blocks of %d", quote(t->name).s,
                    (unsigned long long)t->ne[0], type->name, type->block);
    /* Axes of 0 count as 1 here, so that no product of axes that anybody makes later overflows. */
    uint64_t bytes = 1;
    bool empty = false, overflow = false;
    for (int i = 0; i < TENSOR_MAX_DIMS; i++) {
        empty |= !t->ne[i];
        overflow |= __builtin_mul_overflow(bytes, t->ne[i] ? t->ne[i] : 1, &bytes);
    }
    overflow |= bytes > INT64_MAX / type->bytes;
    if (overflow)
        return fail(err, INFER_E_FORMAT, "tensor \"%s\": %llu x %llu x %llu x %llu values are too many",
                    quote(t->name).s, (unsigned long long)t->ne[0], (unsigned long long)t->ne[1],
                    (unsigned long long)t->ne[2], (unsigned long long)t->ne[3]);
    t->bytes = empty ? 0 : bytes / type->block * type->bytes;
    return INFER_OK;
}

/* Whether the data of a comes before that of b: by address, then the shorter one, then as in the file. */
static bool comes_before(const struct tensor *tensors, uint32_t a, uint32_t b)
{
    const uintptr_t x = (uintptr_t)tensors[a].data, y = (uintptr_t)tensors[b].data;
    if (x != y)
        return x < y;
    return tensors[a].bytes != tensors[b].bytes ? tensors[a].bytes < tensors[b].bytes : a < b;
}

static void sift_down(const struct tensor *tensors, uint32_t *heap, size_t i, size_t n)
{
    for (size_t child; (child = 2 * i + 1) < n; i = child) {
        if (child + 1 < n && comes_before(tensors, heap[child], heap[child + 1]))
            child++;
        if (!comes_before(tensors, heap[i], heap[child]))
            return;
        const uint32_t t = heap[i];
        heap[i] = heap[child];
        heap[child] = t;
    }
}

/* Heap sort: no memory of its own (the C library's qsort takes some behind the allocator's back) and no bad case. Most
 * files have their tensors in order already. */
uint32_t *tensors_by_address(const struct weights *w, size_t first)
{
    const size_t n = w->n_tensors - first;
    uint32_t *order = mem_new(w->a, n, sizeof *order);
    if (!order)
        return NULL;
    bool sorted = true;
    for (size_t i = 0; i < n; i++) {
        order[i] = (uint32_t)(first + i);
        sorted = sorted && (!i || comes_before(w->tensors, order[i - 1], order[i]));
    }
    if (sorted)
        return order;
    for (size_t i = n / 2; i-- > 0;)
        sift_down(w->tensors, order, i, n);
    for (size_t end = n; end-- > 1;) {
        const uint32_t last = order[0];
        order[0] = order[end];
        order[end] = last;
        sift_down(w->tensors, order, 0, end);
    }
    return order;
}

bool tensor_turn(struct tensor *turned, const struct tensor *t, struct arena *arena)
{
    enum { TILE = 16 }; /* so many rows and columns at once: of both, whole cache lines are read and written */
    const size_t rows = (size_t)t->ne[1], cols = (size_t)t->ne[0], bytes = dtype_info(t->type)->bytes;
    const uint8_t *from = t->data;
    uint8_t *to = arena_new(arena, (size_t)t->bytes, 1);
    if (!to)
        return false;
    for (size_t r0 = 0; r0 < rows; r0 += TILE)
        for (size_t c0 = 0; c0 < cols; c0 += TILE)
            for (size_t c = c0; c < cols && c < c0 + TILE; c++)
                for (size_t r = r0; r < rows && r < r0 + TILE; r++)
                    memcpy(to + (c * rows + r) * bytes, from + (r * cols + c) * bytes, bytes);
    *turned = *t;
    turned->ne[0] = rows;
    turned->ne[1] = cols;
    turned->data = to;
    return true;
}
