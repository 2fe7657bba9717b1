/* methods.c - the methods of quantisation that are known: what each says in config.json, how it names a module's
 * tensors, how it packs codes.
 *
 *   FP8     weight_scale_inv or weight_scale times weight; a scale for each block, each row, or for all
 *   GPTQ    (Frantar 2022) qweight (inputs / n, outputs): n codes of one output's neighbouring inputs in a word, the
 *           lowest bits first; qzeros (groups, outputs / n) of neighbouring outputs; scales (groups, outputs);
 *           g_idx: the group of each input. The first form of the file holds zero points less one.
 *   AWQ     (Lin 2023) qweight (inputs, outputs / 8), qzeros (groups, outputs / 8): 8 outputs in a word, in the order
 *           0 2 4 6 1 3 5 7; scales (groups, outputs) */
#include "src/originals/module.h"

#include <stdio.h>
#include <strings.h>

#define CONFIG "quantization_config."

static infer_status fail_shape(const struct weights *w, const struct tensor *t, uint64_t rows, uint64_t cols,
                               infer_error *err)
{
    return fail(err, INFER_E_FORMAT, "%s: tensor %s is %llu x %llu, expected %llu x %llu", w->path, t->name.p,
                (unsigned long long)t->ne[1], (unsigned long long)t->ne[0], (unsigned long long)rows,
                (unsigned long long)cols);
}

static bool is_shaped(const struct tensor *t, uint64_t rows, uint64_t cols)
{
    return t->ne[0] == cols && t->ne[1] == rows && t->ne[2] == 1 && t->ne[3] == 1;
}

static uint64_t pieces(uint64_t n, uint64_t each)
{
    return n / each + (n % each != 0);
}

/* ---- FP8 ---- */

static infer_status read_fp8(struct settings *s, const struct weights *w, infer_error *err)
{
    const struct meta *block = weights_meta(w, CONFIG "weight_block_size");
    if (!block)
        return INFER_OK;
    for (uint64_t i = 0; i < 2; i++) {
        const int64_t n = block->type == META_ARRAY && block->n == 2 ? meta_element_i64(block, i) : 0;
        if (n < 1 || n > 1 << 20)
            return fail(err, INFER_E_FORMAT, "%s: " CONFIG "weight_block_size is no pair of numbers from 1 to 2^20",
                        w->path);
        s->block[i] = (uint64_t)n;
    }
    return INFER_OK;
}

/* One scale for all, for each row, or for each block: told by their number. */
static infer_status measure_fp8(struct module *m, const struct settings *s, const struct weights *w, infer_error *err)
{
    const struct tensor *scales = m->scales;
    const uint64_t n = scales->ne[0] * scales->ne[1] * scales->ne[2] * scales->ne[3];
    m->rows = m->codes->ne[1];
    m->cols = m->codes->ne[0];
    const bool blocks = s->block[0] != 0;
    m->tall = blocks ? s->block[0] : n == m->rows ? 1 : m->rows;
    m->group = blocks ? s->block[1] : m->cols;
    m->n_groups = pieces(m->cols, m->group);
    m->scale_row = m->n_groups;
    m->scale_group = 1;
    if (blocks && !is_shaped(scales, pieces(m->rows, m->tall), m->n_groups))
        return fail_shape(w, scales, pieces(m->rows, m->tall), m->n_groups, err);
    if (!blocks && n != 1 && n != m->rows)
        return fail(err, INFER_E_FORMAT, "%s: tensor %s has %llu scales, expected 1 or one for each of %llu rows",
                    w->path, scales->name.p, (unsigned long long)n, (unsigned long long)m->rows);
    return INFER_OK;
}

static void codes_fp8(const struct module *m, uint64_t row, uint64_t i, int n, uint8_t *codes)
{
    memcpy(codes, (const uint8_t *)m->codes->data + row * m->cols + i, (size_t)n);
}

/* ---- GPTQ and AWQ ---- */

static infer_status read_groups(struct settings *s, const struct weights *w, infer_error *err)
{
    int64_t size = -1;
    const struct meta *m = weights_meta(w, CONFIG "group_size");
    if (meta_get_u32(w, CONFIG "bits", &s->bits, err) == META_WRONG)
        return INFER_E_FORMAT;
    if (m && m->type != META_I64)
        return fail(err, INFER_E_FORMAT, "%s: " CONFIG "group_size is no whole number", w->path);
    size = m ? m->value.i : size;
    if (size < -1 || size == 0)
        return fail(err, INFER_E_FORMAT, "%s: " CONFIG "group_size is %lld, expected -1 or 1 at least", w->path,
                    (long long)size);
    s->group = size > 0 ? (uint64_t)size : 0;
    return INFER_OK;
}

static infer_status read_gptq(struct settings *s, const struct weights *w, infer_error *err)
{
    struct text form = { "", 0 };
    const infer_status status = read_groups(s, w, err);
    if (status == INFER_OK && s->bits != 2 && s->bits != 4 && s->bits != 8)
        return fail(err, INFER_E_UNKNOWN, "%s: GPTQ of %u bits, expected 2, 4 or 8", w->path, s->bits);
    if (meta_get_text(w, CONFIG "checkpoint_format", &form, err) == META_WRONG)
        return INFER_E_FORMAT;
    s->zero_plus = text_is(form, "gptq_v2") ? 0 : 1;
    return status;
}

static infer_status read_awq(struct settings *s, const struct weights *w, infer_error *err)
{
    const infer_status status = read_groups(s, w, err);
    if (status == INFER_OK && s->bits != 4)
        return fail(err, INFER_E_UNKNOWN, "%s: AWQ of %u bits, expected 4", w->path, s->bits);
    return status;
}

/* What both have: scales (groups, outputs), words of zero points. */
static infer_status measure_groups(struct module *m, const struct settings *s, const struct weights *w,
                                   infer_error *err)
{
    const uint64_t in_word = 32 / s->bits;
    m->bits = s->bits;
    m->zero_plus = s->zero_plus;
    m->group = s->group && s->group < m->cols ? s->group : m->cols;
    m->n_groups = pieces(m->cols, m->group);
    m->tall = 1;
    m->scale_row = 1;
    m->scale_group = m->rows;
    if (m->codes->type != DTYPE_I32 || m->zeros->type != DTYPE_I32)
        return fail(err, INFER_E_FORMAT, "%s: tensor %s is of type %s, expected i32", w->path,
                    m->codes->type != DTYPE_I32 ? m->codes->name.p : m->zeros->name.p,
                    dtype_name(m->codes->type != DTYPE_I32 ? m->codes->type : m->zeros->type));
    if (m->rows % in_word)
        return fail(err, INFER_E_FORMAT, "%s: tensor %s is for %llu outputs, expected a multiple of %llu", w->path,
                    m->codes->name.p, (unsigned long long)m->rows, (unsigned long long)in_word);
    if (!is_shaped(m->scales, m->n_groups, m->rows))
        return fail_shape(w, m->scales, m->n_groups, m->rows, err);
    return is_shaped(m->zeros, m->n_groups, m->rows / in_word)
               ? INFER_OK : fail_shape(w, m->zeros, m->n_groups, m->rows / in_word, err);
}

/* Groups that follow one another are what stands without a list too. */
static infer_status check_order(struct module *m, const struct weights *w, infer_error *err)
{
    bool in_order = true;
    if (m->groups->type != DTYPE_I32 || m->groups->ne[0] != m->cols || m->groups->bytes != 4 * m->cols)
        return fail(err, INFER_E_FORMAT, "%s: tensor %s has %llu values of %s, expected %llu of i32", w->path,
                    m->groups->name.p, (unsigned long long)m->groups->ne[0], dtype_name(m->groups->type),
                    (unsigned long long)m->cols);
    for (uint64_t i = 0; i < m->cols; i++) {
        const uint32_t group = (uint32_t)group_at(m, i);
        if (group >= m->n_groups)
            return fail(err, INFER_E_FORMAT, "%s: tensor %s: column %llu is of group %d, expected 0 to %llu", w->path,
                        m->groups->name.p, (unsigned long long)i, (int32_t)group, (unsigned long long)m->n_groups - 1);
        in_order = in_order && group == i / m->group;
    }
    if (in_order)
        m->groups = NULL;
    return INFER_OK;
}

static infer_status measure_gptq(struct module *m, const struct settings *s, const struct weights *w, infer_error *err)
{
    bool ordered = false;
    m->rows = m->codes->ne[0];
    if (__builtin_mul_overflow(m->codes->ne[1], 32 / s->bits, &m->cols))
        return fail(err, INFER_E_FORMAT, "%s: tensor %s is too large", w->path, m->codes->name.p);
    const infer_status status = measure_groups(m, s, w, err);
    if (status != INFER_OK || m->groups)
        return status != INFER_OK ? status : check_order(m, w, err);
    if (meta_get_bool(w, CONFIG "desc_act", &ordered, err) == META_WRONG)
        return INFER_E_FORMAT;
    return ordered ? fail(err, INFER_E_FORMAT, "%s: tensor %.*sg_idx is missing, which desc_act needs", w->path,
                          (int)m->name.n - 6, m->name.p) : INFER_OK;
}

static infer_status measure_awq(struct module *m, const struct settings *s, const struct weights *w, infer_error *err)
{
    m->cols = m->codes->ne[1];
    if (__builtin_mul_overflow(m->codes->ne[0], 8, &m->rows))
        return fail(err, INFER_E_FORMAT, "%s: tensor %s is too large", w->path, m->codes->name.p);
    return measure_groups(m, s, w, err);
}

static uint32_t word_at(const struct tensor *t, uint64_t i)
{
    return read_u32((const uint8_t *)t->data + 4 * i);
}

static void codes_gptq(const struct module *m, uint64_t row, uint64_t i, int n, uint8_t *codes)
{
    const uint32_t in_word = 32 / m->bits, mask = (1u << m->bits) - 1;
    for (int done = 0; done < n; done += (int)in_word) { /* i and n are multiples of it */
        uint32_t word = word_at(m->codes, (i + (uint64_t)done) / in_word * m->rows + row);
        for (uint32_t j = 0; j < in_word; j++, word >>= m->bits)
            codes[done + (int)j] = (uint8_t)(word & mask);
    }
}

static uint32_t zero_gptq(const struct module *m, uint64_t row, uint64_t group)
{
    const uint32_t in_word = 32 / m->bits;
    return word_at(m->zeros, group * (m->rows / in_word) + row / in_word) >> row % in_word * m->bits;
}

/* Where in a word output i of eight stands, in bits. */
static const uint8_t awq_shifts[8] = { 0, 16, 4, 20, 8, 24, 12, 28 };

static void codes_awq(const struct module *m, uint64_t row, uint64_t i, int n, uint8_t *codes)
{
    for (int j = 0; j < n; j++)
        codes[j] = word_at(m->codes, (i + (uint64_t)j) * (m->rows / 8) + row / 8) >> awq_shifts[row % 8] & 15;
}

static uint32_t zero_awq(const struct module *m, uint64_t row, uint64_t group)
{
    return word_at(m->zeros, group * (m->rows / 8) + row / 8) >> awq_shifts[row % 8];
}

/* ---- The table ---- */

#define FP8 \
    .title = "FP8", .codes = "weight", .scales = { "weight_scale_inv", "weight_scale" }, .is_float = true, \
    .dropped = { ".input_scale", ".input_scale_ub", ".output_scale", ".k_scale", ".v_scale", ".kv_scale" }, \
    .read = read_fp8, .measure = measure_fp8, .read_codes = codes_fp8
#define WORDS .codes = "qweight", .scales = { "scales", "scales" }, .zeros = "qzeros"

static const struct method methods[] = {
    { .name = "fp8", FP8 },
    { .name = "fbgemm_fp8", FP8 },
    { .name = "compressed-tensors", FP8, .form = { "format", { "float-quantized" }, true } },
    { .name = "gptq", .title = "GPTQ", WORDS, .groups = "g_idx",
      .form = { "checkpoint_format", { "gptq", "gptq_v2" }, false },
      .read = read_gptq, .measure = measure_gptq, .read_codes = codes_gptq, .zero = zero_gptq },
    { .name = "awq", .title = "AWQ", WORDS, .form = { "version", { "gemm" }, false },
      .read = read_awq, .measure = measure_awq, .read_codes = codes_awq, .zero = zero_awq },
};
enum { N_METHODS = sizeof methods / sizeof *methods };

static infer_status fail_method(const struct weights *w, struct text name, infer_error *err)
{
    char known[128] = "";
    for (size_t i = 0, n = 0; i < N_METHODS && n < sizeof known; i++)
        n += (size_t)snprintf(known + n, sizeof known - n, "%s%s", i ? ", " : "", methods[i].name);
    return fail(err, INFER_E_UNKNOWN, "%s: quantised by the method \"%s\", which is not known; known are: %s", w->path,
                quote(name).s, known);
}

static infer_status check_form(const struct method *m, const struct weights *w, infer_error *err)
{
    struct text word = { "", 0 };
    char key[64];
    if (!m->form.key)
        return INFER_OK;
    snprintf(key, sizeof key, CONFIG "%s", m->form.key);
    const enum meta_result found = meta_get_text(w, key, &word, err);
    if (found == META_WRONG || (found == META_ABSENT && !m->form.must))
        return found == META_WRONG ? INFER_E_FORMAT : INFER_OK;
    for (size_t i = 0; found == META_FOUND && i < 3 && m->form.words[i]; i++)
        if (strlen(m->form.words[i]) == word.n && !strncasecmp(m->form.words[i], word.p, word.n))
            return INFER_OK;
    return fail(err, INFER_E_UNKNOWN, "%s: %s is \"%s\", expected \"%s\"%s%s%s", w->path, key, quote(word).s,
                m->form.words[0], m->form.words[1] ? " or \"" : "", m->form.words[1] ? m->form.words[1] : "",
                m->form.words[1] ? "\"" : "");
}

/* Older GPTQ files do not name their method; MXFP4 is no module but an architecture's way of holding experts. */
infer_status method_find(struct settings *s, const struct weights *w, infer_error *err)
{
    struct text name = text_of("gptq");
    const enum meta_result found = meta_get_text(w, CONFIG "quant_method", &name, err);
    *s = (struct settings){ 0 };
    if (w->format != WEIGHTS_HF || found == META_WRONG)
        return found == META_WRONG && w->format == WEIGHTS_HF ? INFER_E_FORMAT : INFER_OK;
    if ((found == META_ABSENT && !weights_meta(w, CONFIG "bits")) || text_is(name, "mxfp4"))
        return INFER_OK;
    for (size_t i = 0; i < N_METHODS && !s->method; i++)
        if (text_is(name, methods[i].name))
            s->method = &methods[i];
    if (!s->method)
        return fail_method(w, name, err);
    const infer_status status = check_form(s->method, w, err);
    return status == INFER_OK ? s->method->read(s, w, err) : status;
}
