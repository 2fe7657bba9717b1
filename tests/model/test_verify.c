/* test_verify.c - a scale that is not finite is found in a block of any type. */
#include "infer.h"
#include "kernels/scales.h"
#include "tests/formats/gguf_writer.h"

enum { BLOCKS = 3 };

/* A file of one tensor of BLOCKS blocks; where they begin. */
static uint8_t *build(struct bytes *b, enum dtype type)
{
    header(b, 1, 1);
    key(b, "general.architecture", META_STRING);
    put_text(b, "none");
    tensor(b, "x", type, (uint64_t)BLOCKS * dtype_info(type)->block, 1, 0);
    put_padding(b, 32);
    uint8_t *const blocks = b->p + b->n;
    zeros(b, (size_t)BLOCKS * dtype_info(type)->bytes);
    put_padding(b, 32);
    return blocks;
}

static infer_status verify(const struct bytes *b, infer_error *err)
{
    static _Alignas(64) uint8_t image[sizeof b->p];
    memcpy(image, b->p, b->n);
    infer_context *c = infer_context_open(NULL, err);
    infer_model_options o = infer_model_defaults();
    o.inspect = true;
    infer_model *m = c ? infer_model_open_memory(c, image, b->n, &o, err) : NULL;
    assert_non_null(m);
    const infer_status status = infer_model_verify(m, NULL, NULL, err);
    infer_model_close(&m);
    infer_context_close(&c);
    return status;
}

static void poison(uint8_t *p, enum number number)
{
    switch (number) {
    case NUMBER_F16: memcpy(p, &(uint16_t){ 0xfc00 }, 2); break;
    case NUMBER_BF16: memcpy(p, &(uint16_t){ 0x7f80 }, 2); break;
    case NUMBER_F32: memcpy(p, &(uint32_t){ 0x7fc00000 }, 4); break;
    case NUMBER_F64: memcpy(p, &(double){ 1e39 }, 8); break; /* more than a float holds */
    case NUMBER_F16_SPREAD: write_f16_spread(p, 0x7c00); break;
    default: *p = 0xff;
    }
}

static void a_scale_that_is_not_finite_is_found_in_any_type(void **state)
{
    (void)state;
    for (int type = 0; type < DTYPE_COUNT; type++) {
        const struct scales *const s = &scales_of[type];
        for (int i = 0; i < s->count && s->number != NUMBER_UE4M3; i++) {
            struct bytes b;
            infer_error err = { 0 };
            uint8_t *const blocks = build(&b, (enum dtype)type);
            assert_int_equal(verify(&b, &err), INFER_OK);
            poison(blocks + dtype_info((uint64_t)type)->bytes + s->offset + i * number_bytes(s->number), s->number);
            assert_int_equal(verify(&b, &err), INFER_E_FORMAT);
            assert_non_null(strstr(err.message, "tensor x: block 1 of 3"));
            assert_non_null(strstr(err.message, dtype_name((uint64_t)type)));
        }
    }
}

static void types_whose_every_bit_pattern_is_finite_pass(void **state)
{
    (void)state;
    static const enum dtype types[] = { DTYPE_I8, DTYPE_I16, DTYPE_I32, DTYPE_I64, DTYPE_NVFP4 };
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        struct bytes b;
        infer_error err = { 0 };
        memset(build(&b, types[i]), 0xff, (size_t)BLOCKS * dtype_info(types[i])->bytes);
        assert_int_equal(verify(&b, &err), INFER_OK);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_scale_that_is_not_finite_is_found_in_any_type),
        cmocka_unit_test(types_whose_every_bit_pattern_is_finite_pass),
    };
    return cmocka_run_group_tests_name("verification", tests, NULL, NULL);
}
