/* test_kv.c - pages of keys and values: neighbours for who grows, counts, copies, windows, what goes back. */
#include "src/engine/kv.h"
#include "tests/common/counting.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

enum { N_CTX = 64 * 100, WINDOW = 100 };

/* Four layers, of which the first two have a window; or none. */
static struct hparams shape_of(bool windowed)
{
    static const uint8_t flags[] = { 1, 1, 0, 0 };
    return (struct hparams){ .n_layer = 4, .n_head = 2, .n_head_kv = 2, .d_k = 64, .d_v = 64,
                             .window = windowed ? WINDOW : 0, .layer_windowed = flags };
}

struct rig {
    struct counting counting;
    struct hparams h;
    struct kv_pool *pool;
    size_t before; /* blocks of the pool without pages */
};

static void rig_open(struct rig *r, bool windowed)
{
    counting_init(&r->counting, SIZE_MAX);
    r->h = shape_of(windowed);
    struct kv_shape shape;
    assert_int_equal(kv_shape_init(&shape, &r->h, DTYPE_F16, DTYPE_F16, NULL), INFER_OK);
    r->pool = kv_pool_open(&r->counting.allocator, &r->h, &shape, NULL);
    assert_non_null(r->pool);
    r->before = r->counting.live;
}

static void rig_close(struct rig *r)
{
    kv_pool_close(r->pool);
    assert_int_equal(r->counting.live, 0);
}

static struct kv open_kv(struct rig *r)
{
    struct kv kv;
    assert_int_equal(kv_init(&kv, r->pool, N_CTX, NULL), INFER_OK);
    return kv;
}

static void reserve(struct kv *kv, uint32_t first, uint32_t n)
{
    assert_int_equal(kv_reserve(kv, first, n, NULL), INFER_OK);
}

static uint32_t n_neighbours(const struct kv_pages *of, size_t step)
{
    uint32_t n = 0;
    for (uint32_t i = of->first + 1; i < of->end; i++)
        n += of->data[i] == of->data[i - 1] + step;
    return n;
}

static void a_session_alone_has_runs_as_long_as_slabs(void **state)
{
    (void)state;
    struct rig r;
    rig_open(&r, false);
    struct kv kv = open_kv(&r);
    const uint32_t slab = r.pool->shape.slab_pages;
    assert_int_equal(slab, 8); /* 128 KB of f16 */
    for (uint32_t at = 0; at < 64 * 32; at += 16)
        reserve(&kv, at, 16);
    assert_int_equal(kv.of[KV_ALL].end, 32);
    assert_int_equal(n_neighbours(&kv.of[KV_ALL], r.pool->shape.head_bytes), 32 - 32 / slab);
    assert_int_equal(r.pool->heaps[KV_ALL].n_slabs, 32 / slab);
    kv_free(&kv);
    rig_close(&r);
}

static void short_sessions_fill_slabs_together(void **state)
{
    (void)state;
    enum { SESSIONS = 40 };
    struct rig r;
    rig_open(&r, false);
    struct kv kv[SESSIONS];
    for (int i = 0; i < SESSIONS; i++) {
        kv[i] = open_kv(&r);
        reserve(&kv[i], 0, 64);
    }
    assert_int_equal(r.pool->heaps[KV_ALL].n_slabs, SESSIONS / 8);
    for (int i = 0; i < SESSIONS; i++)
        kv_free(&kv[i]);
    assert_int_equal(r.pool->heaps[KV_ALL].n_slabs, 1); /* the reserve */
    rig_close(&r);
}

static void a_page_that_is_shared_is_copied_by_who_appends(void **state)
{
    (void)state;
    struct rig r;
    rig_open(&r, false);
    struct kv a = open_kv(&r), b = open_kv(&r);
    reserve(&a, 0, 100);
    const struct page_heap *heap = &r.pool->heaps[KV_ALL];
    for (size_t stripe = 0; stripe < heap->n_stripes; stripe++)
        memset(a.of[KV_ALL].data[1] + stripe * 8 * heap->block_bytes, (int)stripe + 1, heap->block_bytes);
    kv_share(&b, &a, 100);
    assert_ptr_equal(b.of[KV_ALL].data[1], a.of[KV_ALL].data[1]);
    reserve(&b, 100, 1);
    assert_ptr_equal(b.of[KV_ALL].data[0], a.of[KV_ALL].data[0]);
    assert_ptr_not_equal(b.of[KV_ALL].data[1], a.of[KV_ALL].data[1]);
    for (size_t stripe = 0; stripe < heap->n_stripes; stripe++)
        assert_memory_equal(b.of[KV_ALL].data[1] + stripe * 8 * heap->block_bytes,
                            a.of[KV_ALL].data[1] + stripe * 8 * heap->block_bytes, heap->block_bytes);
    uint8_t *const own = a.of[KV_ALL].data[1];
    reserve(&a, 100, 1); /* nobody else has it any more */
    assert_ptr_equal(a.of[KV_ALL].data[1], own);
    kv_free(&a);
    kv_free(&b);
    rig_close(&r);
}

static void pages_behind_the_window_go_back(void **state)
{
    (void)state;
    struct rig r;
    rig_open(&r, true);
    struct kv kv = open_kv(&r);
    for (uint32_t at = 0; at < 6000; at++) {
        reserve(&kv, at, 1);
        assert_true(kv_resumes(&kv, at + 1));
        assert_true(kv_resumes(&kv, at + 1 > KV_BACK ? at + 1 - KV_BACK : 0));
        assert_int_equal(kv_bytes(&kv), kv_shape_bytes(&r.pool->shape, at + 1, 1));
    }
    assert_int_equal(kv.of[KV_ALL].end - kv.of[KV_ALL].first, 94);
    assert_true(kv.of[KV_WINDOW].end - kv.of[KV_WINDOW].first <= (WINDOW + KV_BACK) / 64 + 2);
    assert_true(r.pool->heaps[KV_WINDOW].n_slabs <= 2);
    assert_false(kv_resumes(&kv, 3000));
    assert_true(kv_resumes(&kv, 0));
    reserve(&kv, 0, 1); /* another text */
    assert_int_equal(kv.of[KV_WINDOW].first, 0);
    kv_free(&kv);
    rig_close(&r);
}

static void rewinding_gives_pages_back(void **state)
{
    (void)state;
    struct rig r;
    rig_open(&r, false);
    struct kv kv = open_kv(&r);
    reserve(&kv, 0, 64 * 40);
    kv_keep(&kv, 65);
    assert_int_equal(kv.of[KV_ALL].end, 2);
    assert_int_equal(r.pool->heaps[KV_ALL].n_slabs, 2); /* one is empty */
    kv_free(&kv);
    rig_close(&r);
}

static void memory_that_is_out_leaves_what_was_there(void **state)
{
    (void)state;
    struct rig r;
    rig_open(&r, false);
    struct kv kv = open_kv(&r);
    infer_error err = { 0 };
    reserve(&kv, 0, 64 * 8);
    r.counting.refuse_from = r.counting.calls;
    assert_int_equal(kv_reserve(&kv, 64 * 8, 1, &err), INFER_E_NOMEM);
    assert_string_equal(err.message, "out of memory for the cache of the tokens from 512 on");
    assert_int_equal(kv_bytes(&kv), kv_shape_bytes(&r.pool->shape, 512, 512));
    kv_free(&kv);
    rig_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_session_alone_has_runs_as_long_as_slabs),
        cmocka_unit_test(short_sessions_fill_slabs_together),
        cmocka_unit_test(a_page_that_is_shared_is_copied_by_who_appends),
        cmocka_unit_test(pages_behind_the_window_go_back),
        cmocka_unit_test(rewinding_gives_pages_back),
        cmocka_unit_test(memory_that_is_out_leaves_what_was_there),
    };
    return cmocka_run_group_tests_name("kv", tests, NULL, NULL);
}
