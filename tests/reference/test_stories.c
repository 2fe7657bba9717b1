/* test_stories.c - a real trained model, stories260K (see the README beside it): prompt ids, greedy ids and text as its
 * author documents them, from the GGUF and from the Hugging Face directory. */
#include "tests/reference/reference.h"

static const char prompt[] = "Once upon a time";
static const int32_t prompt_ids[] = { 1, 403, 407, 261, 378 };
static const int32_t story_ids[60] = {
    432, 383, 286, 261, 376, 298, 315, 421, 395, 317, 426, 338, 401, 396, 267, 337, 410, 408, 419, 292,
    411, 322, 265, 282, 295, 433, 426, 385, 328, 432, 358, 394, 261, 370, 432, 352, 266, 268, 388, 426,
    338, 391, 266, 267, 337, 335, 312, 432, 398, 312, 286, 267, 414, 270, 333, 415, 426, 13,  438, 310,
};
static const char story[] = ", there was a little girl named Lily. She loved to play outside in the park. One day, she saw a big, "
                            "red ball. She wanted to play with it, but it was too high.\nL";

static void ids_and_text_are_those_documented(void **state)
{
    char path[600];
    snprintf(path, sizeof path, "%s/models/%s", INFER_SHARED, (const char *)*state);
    if (access(path, R_OK) != 0)
        skip();
    infer_error err = { 0 };
    infer_context *c = open_context(NULL, 2);
    infer_model *m = infer_model_open(c, path, NULL, &err);
    if (!m)
        fail_msg("%s", err.message);
    const infer_tokenizer *t = infer_model_tokenizer(m);
    int32_t ids[16];
    char text[500];
    size_t n;
    assert_int_equal(infer_tokenizer_encode(t, prompt, strlen(prompt), INFER_ADD_SPECIAL, ids, 16, &n, &err), INFER_OK);
    assert_int_equal(n, 5);
    assert_memory_equal(ids, prompt_ids, sizeof prompt_ids);
    const struct ids got = greedy(m, &(struct ids){ ids, n }, 60);
    assert_memory_equal(got.v, story_ids, sizeof story_ids);
    assert_int_equal(infer_tokenizer_decode(t, got.v, got.n, 0, text, sizeof text, &n, &err), INFER_OK);
    assert_true(n >= strlen(story) && !memcmp(text, story, strlen(story)));
    free(got.v);
    infer_model_close(&m);
    infer_context_close(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        { "stories260K.gguf", ids_and_text_are_those_documented, NULL, NULL, "stories260K.gguf" },
        { "stories260K-hf", ids_and_text_are_those_documented, NULL, NULL, "stories260K-hf" },
    };
    return cmocka_run_group_tests_name("stories260K", tests, NULL, NULL);
}
