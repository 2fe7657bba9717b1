/* originals.c - modules are found by the names of their tensors, checked, given a type, and put into the list of
 * tensors in place of their parts. */
#include "src/originals/module.h"

#include <stdio.h>
#include <stdlib.h>

struct originals {
    const struct weights *w;
    struct tensor *parts; /* all tensors as the files have them */
    struct module *modules;
    size_t n;
    struct module **by_address; /* of their data */
};

struct opening {
    struct originals *o;
    struct weights *w;
    struct settings s;
    bool *used; /* of the tensors as the files have them: part of a module */
    size_t n_tensors;
    struct range *ranges; /* of each module; those of a family are one */
    infer_error *err;
};

/* ---- Modules ---- */

/* "MODULE.ending" for a tensor named "MODULE.codes", or NULL. Marked as used. */
static const struct tensor *part(struct opening *p, const struct module *m, const char *ending)
{
    char name[MAX_NAME + 32];
    if (!ending)
        return NULL;
    snprintf(name, sizeof name, "%.*s%s", (int)m->name.n - 6, m->name.p, ending);
    const struct tensor *t = weights_tensor(p->w, text_of(name));
    if (t)
        p->used[t - p->w->tensors] = true;
    return t;
}

static infer_status fail_part(struct opening *p, const struct module *m, const char *ending)
{
    return fail(p->err, INFER_E_FORMAT, "%s: tensor %.*s%s is missing, which %s needs for %s", p->w->path,
                (int)m->name.n - 6, m->name.p, ending, m->method->title, m->codes->name.p);
}

static infer_status find_parts(struct opening *p, struct module *m)
{
    const struct method *method = m->method;
    for (int i = 0; i < 2 && !m->scales; i++)
        m->scales = part(p, m, method->scales[i]);
    m->zeros = part(p, m, method->zeros);
    m->groups = part(p, m, method->groups);
    if (!m->scales || (method->zeros && !m->zeros))
        return fail_part(p, m, m->scales ? method->zeros : method->scales[p->s.block[0] ? 0 : 1]);
    const enum dtype type = m->scales->type;
    if (type != DTYPE_F32 && type != DTYPE_F16 && type != DTYPE_BF16)
        return fail(p->err, INFER_E_UNKNOWN, "%s: tensor %s is of type %s, expected f32, f16 or bf16", p->w->path,
                    m->scales->name.p, dtype_name(type));
    if (m->codes->n_dims != 2 || !m->codes->bytes)
        return fail(p->err, INFER_E_UNKNOWN, "%s: tensor %s has %d axes and %llu bytes, expected a matrix", p->w->path,
                    m->codes->name.p, m->codes->n_dims, (unsigned long long)m->codes->bytes);
    return method->measure(m, &p->s, p->w, p->err);
}

static void describe(const struct opening *p, const struct module *m, char what[64])
{
    size_t n = (size_t)snprintf(what, 64, "%s", m->method->title);
    if (m->bits)
        n += (size_t)snprintf(what + n, 64 - n, ", %u bits", m->bits);
    if (m->tall > 1 && m->n_groups > 1)
        snprintf(what + n, 64 - n, ", a scale for %llu x %llu", (unsigned long long)m->tall,
                 (unsigned long long)m->group);
    else if (m->n_groups > 1)
        snprintf(what + n, 64 - n, ", groups of %llu%s", (unsigned long long)m->group, m->groups ? ", mixed" : "");
    else
        snprintf(what + n, 64 - n, ", a scale for %s",
                 m->tall > 1 || (p->s.method->is_float && m->rows == 1) ? "all" : "each row");
}

static infer_status add_module(struct opening *p, const struct tensor *codes)
{
    struct module *m = &p->o->modules[p->o->n];
    const size_t stem = codes->name.n - strlen(p->s.method->codes);
    char what[64];
    char *name = arena_new(&p->w->arena, stem + sizeof "weight", 1);
    if (!name)
        return fail_memory(p->err, codes->name.p);
    memcpy(name, codes->name.p, stem);
    memcpy(name + stem, "weight", sizeof "weight");
    *m = (struct module){ .method = p->s.method, .codes = codes, .name = text_of(name) };
    p->used[codes - p->w->tensors] = true;
    infer_status status = find_parts(p, m);
    if (status == INFER_OK)
        status = module_range(&p->ranges[p->o->n], m, p->w, p->err);
    if (status != INFER_OK)
        return status;
    describe(p, m, what);
    m->what = arena_text(&p->w->arena, what, strlen(what));
    p->o->n++;
    return m->what ? INFER_OK : fail_memory(p->err, codes->name.p);
}

static bool is_codes(const struct opening *p, const struct tensor *t)
{
    const char *ending = p->s.method->codes;
    const size_t n = strlen(ending);
    return t->name.n > n && t->name.p[t->name.n - n - 1] == '.' && text_ends(t->name, ending) &&
           (!p->s.method->is_float || t->type == DTYPE_F8_E4M3);
}

static bool is_dropped(const struct opening *p, const struct tensor *t)
{
    const char *const *endings = p->s.method->dropped;
    for (size_t i = 0; i < sizeof p->s.method->dropped / sizeof *endings && endings[i]; i++)
        if (text_ends(t->name, endings[i]))
            return true;
    return false;
}

/* ---- Types ---- */

/* Experts of a layer get one type, as their matrices become one stack: the name without the expert's number. */
static infer_status family_of(struct opening *p, struct text name, struct text *family)
{
    const char *experts = strstr(name.p, ".experts."), *number = experts ? experts + strlen(".experts.") : NULL;
    const size_t digits = number ? strspn(number, "0123456789") : 0;
    *family = name;
    if (!digits)
        return INFER_OK;
    char *joined = arena_text(&p->w->arena, name.p, name.n);
    if (!joined)
        return fail_memory(p->err, name.p);
    memmove(joined + (number - name.p), number + digits, (size_t)(name.p + name.n - number) - digits + 1);
    *family = text_of(joined);
    return INFER_OK;
}

static void widen(struct range *to, const struct range *r)
{
    to->lo = r->lo < to->lo ? r->lo : to->lo;
    to->hi = r->hi > to->hi ? r->hi : to->hi;
    to->blocks = to->blocks && r->blocks;
    to->half = to->half && r->half;
}

/* Ranges of a family are joined in that of its first module. */
static infer_status join_families(struct opening *p, uint32_t *first)
{
    struct table families;
    infer_status status = INFER_OK;
    table_init(&families, p->w->a);
    for (uint32_t i = 0; i < p->o->n && status == INFER_OK; i++) {
        struct text family;
        if ((status = family_of(p, p->o->modules[i].name, &family)) != INFER_OK)
            break;
        if (table_add(&families, family, i) == TABLE_NOMEM)
            status = fail_memory(p->err, "modules");
        else if (table_find(&families, family, &first[i]))
            widen(&p->ranges[first[i]], &p->ranges[i]);
    }
    table_free(&families);
    return status;
}

static infer_status place(struct opening *p, struct module *m, enum dtype type)
{
    uint64_t row_bytes;
    size_t bytes;
    m->type = type;
    if (!dtype_row_bytes(type, m->cols, &row_bytes) || !mul_size((size_t)row_bytes, (size_t)m->rows, &bytes))
        return fail(p->err, INFER_E_FORMAT, "%s: tensor %s is too large", p->w->path, m->codes->name.p);
    m->row_bytes = (size_t)row_bytes;
    m->data = mem_raw(p->w->a, bytes, 1);
    if (!m->data)
        return fail_memory(p->err, m->name.p);
    return m->rows == 1 ? module_make(m, p->w, NULL, p->err) : INFER_OK; /* a vector may be looked at any time */
}

static int compare_addresses(const void *a, const void *b)
{
    const struct module *const *x = a, *const *y = b;
    return ((uintptr_t)(*x)->data > (uintptr_t)(*y)->data) - ((uintptr_t)(*x)->data < (uintptr_t)(*y)->data);
}

static infer_status place_all(struct opening *p)
{
    struct originals *o = p->o;
    uint32_t *first = arena_new(&p->w->arena, o->n, sizeof *first);
    infer_status status = first ? join_families(p, first) : fail_memory(p->err, "modules");
    for (size_t i = 0; i < o->n && status == INFER_OK; i++) {
        o->by_address[i] = &o->modules[i];
        status = place(p, &o->modules[i], range_type(&p->ranges[first[i]]));
    }
    if (status == INFER_OK)
        qsort(o->by_address, o->n, sizeof *o->by_address, compare_addresses);
    return status;
}

/* ---- The list of tensors ---- */

/* What is made takes the place of its codes. */
static infer_status relist(struct opening *p)
{
    struct weights *w = p->w;
    infer_status status = INFER_OK;
    w->n_tensors = 0;
    table_free(&w->tensor_index);
    table_init(&w->tensor_index, w->a);
    for (size_t i = 0, next = 0; i < p->n_tensors && status == INFER_OK; i++) {
        struct tensor t = p->o->parts[i];
        const struct module *m = next < p->o->n ? &p->o->modules[next] : NULL;
        if (m && m->codes == &p->o->parts[i]) {
            t = (struct tensor){ .name = m->name, .type = m->type, .n_dims = 2, .ne = { m->cols, m->rows, 1, 1 },
                                 .data = m->data, .made_of = m->what };
            status = tensor_measure(&t, p->err);
            next++;
        } else if (p->used[i]) {
            continue;
        }
        if (status == INFER_OK)
            status = weights_add_tensor(w, &t, p->err);
    }
    return status == INFER_OK ? status : (fail_prefix(p->err, w->path), status);
}

static infer_status open_modules(struct opening *p)
{
    struct weights *w = p->w;
    struct originals *o = p->o;
    infer_status status = INFER_OK;
    p->n_tensors = w->n_tensors;
    p->used = arena_new(&w->arena, w->n_tensors, sizeof *p->used);
    p->ranges = arena_new(&w->arena, w->n_tensors, sizeof *p->ranges);
    o->parts = arena_new(&w->arena, w->n_tensors, sizeof *o->parts);
    o->modules = arena_new(&w->arena, w->n_tensors, sizeof *o->modules);
    o->by_address = arena_new(&w->arena, w->n_tensors, sizeof *o->by_address);
    if (!p->used || !p->ranges || !o->parts || !o->modules || !o->by_address)
        return fail_memory(p->err, "modules");
    for (size_t i = 0; i < w->n_tensors && status == INFER_OK; i++) {
        p->used[i] |= is_dropped(p, &w->tensors[i]);
        if (is_codes(p, &w->tensors[i]))
            status = add_module(p, &w->tensors[i]);
    }
    if (status != INFER_OK)
        return status;
    /* The list is made anew: modules point into the old one. */
    if (w->n_tensors)
        memcpy(o->parts, w->tensors, w->n_tensors * sizeof *o->parts);
    for (size_t i = 0; i < o->n; i++) {
        const struct tensor **const pointers[] = { &o->modules[i].codes, &o->modules[i].scales, &o->modules[i].zeros,
                                                   &o->modules[i].groups };
        for (size_t k = 0; k < 4; k++)
            *pointers[k] = *pointers[k] ? o->parts + (*pointers[k] - w->tensors) : NULL;
    }
    status = place_all(p);
    return status == INFER_OK ? relist(p) : status;
}

infer_status originals_open(struct originals **originals, struct weights *w, infer_error *err)
{
    infer_error own;
    struct opening p = { .w = w, .err = err ? err : &own };
    *originals = NULL;
    infer_status status = method_find(&p.s, w, p.err);
    if (status != INFER_OK || !p.s.method)
        return status;
    p.o = mem_new(w->a, 1, sizeof *p.o);
    if (!p.o)
        return fail_memory(err, "modules");
    p.o->w = w;
    status = open_modules(&p);
    if (status == INFER_OK)
        *originals = p.o;
    else
        originals_close(&p.o);
    return status;
}

void originals_close(struct originals **originals)
{
    struct originals *o = *originals;
    *originals = NULL;
    for (size_t i = 0; o && i < o->n; i++)
        mem_free(o->w->a, o->modules[i].data);
    if (o)
        mem_free(o->w->a, o);
}

/* ---- What they hold ---- */

/* Number, among those by address, of the first module that ends behind p. */
static size_t first_behind(const struct originals *o, const void *p)
{
    size_t low = 0, high = o ? o->n : 0;
    while (low < high) {
        const size_t i = low + (high - low) / 2;
        const struct module *m = o->by_address[i];
        if ((uintptr_t)m->data + m->rows * m->row_bytes <= (uintptr_t)p)
            low = i + 1;
        else
            high = i;
    }
    return low;
}

static bool begins_before(const struct originals *o, size_t i, const void *p, uint64_t bytes)
{
    return o && i < o->n && (uintptr_t)o->by_address[i]->data < (uintptr_t)p + bytes;
}

infer_status originals_need(struct originals *o, const void *data, uint64_t bytes, struct pool *pool, infer_error *err)
{
    infer_status status = INFER_OK;
    for (size_t i = first_behind(o, data); status == INFER_OK && begins_before(o, i, data, bytes); i++)
        if (!o->by_address[i]->ready)
            status = module_make(o->by_address[i], o->w, pool, err);
    return status;
}

void originals_drop(struct originals *o, const void *data, uint64_t bytes)
{
    for (size_t i = first_behind(o, data); begins_before(o, i, data, bytes); i++) {
        map_forget(o->by_address[i]->data, o->by_address[i]->rows * o->by_address[i]->row_bytes);
        o->by_address[i]->ready = false;
    }
}

infer_status originals_make(struct originals *o, struct pool *pool, infer_progress_fn *progress, void *user,
                            infer_error *err)
{
    uint64_t done = 0, all = 0;
    infer_status status = INFER_OK;
    for (size_t i = 0; o && i < o->n; i++)
        all += o->modules[i].rows * o->modules[i].row_bytes;
    for (size_t i = 0; o && i < o->n && status == INFER_OK; i++) {
        struct module *m = &o->modules[i];
        if (!m->ready)
            status = module_make(m, o->w, pool, err);
        done += m->rows * m->row_bytes;
        if (status == INFER_OK && progress && !progress(user, (float)((double)done / (double)all)))
            status = fail(err, INFER_E_CANCELLED, "%s: reading was cancelled", o->w->path);
    }
    return status;
}
