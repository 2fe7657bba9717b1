/* choices.c - questions of several answers: the one that the model finds the most likely is its choice. How likely an
 * answer is, is the mean logarithm of its tokens' probabilities after the question, which HellaSwag calls acc_norm. */
#include "tools/common/failure.h"
#include "tools/perplexity/perplexity.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_CHOICES = 32 };

struct task {
    char *question, *choices[MAX_CHOICES];
    size_t n_choices, answer;
};

static void task_free(struct task *t)
{
    free(t->question);
    for (size_t i = 0; i < t->n_choices; i++)
        free(t->choices[i]);
    *t = (struct task){ 0 };
}

/* ---- Where tasks come from ---- */

struct tasks {
    const struct text_options *o;
    size_t at, line; /* what is read next: byte, and line from 1 */
};

/* The next line without its end; false at the end of the file. */
static bool next_line(struct tasks *t, const char **line, size_t *length)
{
    if (t->at >= t->o->length)
        return false;
    *line = t->o->text + t->at;
    const char *const end = memchr(*line, '\n', t->o->length - t->at);
    *length = end ? (size_t)(end - *line) : t->o->length - t->at;
    t->at += *length + (end != NULL);
    t->line++;
    return true;
}

static infer_status wrong_line(const struct tasks *t, const char *expected, infer_error *err)
{
    return failure(err, INFER_E_FORMAT, "%s: line %zu: expected %s", t->o->name, t->line, expected);
}

/* Six lines: the question, the number of the right answer from 0 on, four answers. */
static infer_status read_hellaswag(struct tasks *t, struct task *task, infer_error *err)
{
    enum { LINES = 6, ANSWERS = 4 };
    for (size_t i = 0; i < LINES; i++) {
        const char *line;
        size_t length;
        if (!next_line(t, &line, &length))
            return wrong_line(t, "tasks of six lines: question, number of the right answer, four answers", err);
        if (i == 1) {
            if (length != 1 || line[0] < '0' || line[0] > '3')
                return wrong_line(t, "the number of the right answer, 0 to 3", err);
            task->answer = (size_t)(line[0] - '0');
            continue;
        }
        char *const copy = strndup(line, length);
        if (!copy)
            return failure(err, INFER_E_NOMEM, "no memory for a task");
        if (i == 0)
            task->question = copy;
        else
            task->choices[task->n_choices++] = copy;
    }
    return INFER_OK;
}

/* {"question": T, "choices": [T, ...], "answer": number from 0 on} */
static infer_status read_json(struct tasks *t, struct task *task, infer_error *err)
{
    static const char expected[] = "{\"question\": text, \"choices\": [2 to 32 texts], \"answer\": number from 0 on}";
    const char *line;
    size_t length;
    if (!next_line(t, &line, &length))
        return wrong_line(t, expected, err);
    json_t *const root = json_loadb(line, length, JSON_REJECT_DUPLICATES, NULL);
    const json_t *const choices = json_object_get(root, "choices"), *const answer = json_object_get(root, "answer");
    const char *const question = json_string_value(json_object_get(root, "question"));
    const size_t n = json_array_size(choices);
    bool good = question && n >= 2 && n <= MAX_CHOICES && json_is_integer(answer) && json_integer_value(answer) >= 0 &&
                (size_t)json_integer_value(answer) < n,
         memory = true;
    if (good) {
        task->answer = (size_t)json_integer_value(answer);
        memory = (task->question = strdup(question));
    }
    for (size_t i = 0; good && memory && i < n; i++) {
        const char *const choice = json_string_value(json_array_get(choices, i));
        if ((good = choice) && (memory = (task->choices[i] = strdup(choice))))
            task->n_choices++;
    }
    json_decref(root);
    return !memory ? failure(err, INFER_E_NOMEM, "no memory for a task")
           : good  ? INFER_OK
                   : wrong_line(t, expected, err);
}

/* ---- Scores ---- */

struct ids {
    int32_t *v;
    size_t n;
};

struct answer {
    const struct scorer *s;
    struct mean logs;
};

static infer_status add_log(void *arg, const float *logits, int32_t id, infer_error *err)
{
    (void)err;
    struct answer *a = arg;
    mean_add(&a->logs, logits[id] - log_total(logits, a->s->n_vocab));
    return INFER_OK;
}

/* Question and answer as one text, so that a word across the two becomes the tokens that it has. */
static infer_status encode_choice(const struct scorer *s, const struct task *t, size_t choice, struct ids *ids,
                                  infer_error *err)
{
    const size_t size = strlen(t->question) + 1 + strlen(t->choices[choice]);
    char *const text = malloc(size + 1);
    if (!text)
        return failure(err, INFER_E_NOMEM, "no memory for a question and its answer");
    snprintf(text, size + 1, "%s %s", t->question, t->choices[choice]);
    ids->v = scorer_encode(s, text, size, &ids->n, err);
    free(text);
    return ids->v ? INFER_OK : err->code;
}

/* How many tokens all choices begin with; each has at least one more. */
static size_t common_tokens(const struct ids *ids, size_t n_choices)
{
    size_t n = ids[0].n;
    for (size_t i = 0; i < n_choices; i++)
        n = ids[i].n < n + 1 ? (ids[i].n ? ids[i].n - 1 : 0) : n;
    for (size_t i = 1; i < n_choices; i++)
        for (size_t j = 0; j < n; j++)
            if (ids[i].v[j] != ids[0].v[j])
                n = j;
    return n;
}

/* The tokens in common are computed once. */
static infer_status choose(const struct scorer *s, const struct task *t, const struct ids *ids, size_t *choice,
                           infer_error *err)
{
    const size_t common = common_tokens(ids, t->n_choices);
    if (!common)
        return failure(err, INFER_E_ARGUMENT, "a question without a token cannot be continued");
    infer_status status = infer_session_rewind(s->session, 0, err);
    if (status == INFER_OK)
        status = infer_session_eval(s->session, ids[0].v, common - 1, err);
    double best = -INFINITY;
    for (size_t i = 0; status == INFER_OK && i < t->n_choices; i++) {
        struct answer answer = { .s = s };
        status = infer_session_rewind(s->session, common - 1, err);
        if (status == INFER_OK)
            status = scorer_read(s, ids[i].v + common - 1, ids[i].n - (common - 1), 1, add_log, &answer, err);
        if (mean_of(&answer.logs) > best) {
            best = mean_of(&answer.logs);
            *choice = i;
        }
    }
    return status;
}

static infer_status answer_task(const struct scorer *s, const struct tasks *from, const struct task *t, size_t *choice,
                                infer_error *err)
{
    struct ids ids[MAX_CHOICES] = { { 0 } };
    infer_status status = INFER_OK;
    for (size_t i = 0; status == INFER_OK && i < t->n_choices; i++) {
        status = encode_choice(s, t, i, &ids[i], err);
        if (status == INFER_OK && ids[i].n > s->n_ctx)
            status = failure(err, INFER_E_ARGUMENT, "%s: line %zu: the task has %zu tokens, expected at most %zu (-c)",
                             from->o->name, from->line, ids[i].n, s->n_ctx);
    }
    if (status == INFER_OK)
        status = choose(s, t, ids, choice, err);
    for (size_t i = 0; i < t->n_choices; i++)
        free(ids[i].v);
    return status;
}

/* The share that is right, and the interval that holds the true one in 95 of 100 cases (Wilson's score interval). */
static void print_share(const struct scorer *s, size_t right, size_t n)
{
    const double z = 1.959964, count = n ? (double)n : 1, p = (double)right / count, zz = z * z / count;
    const double middle = (p + zz / 2) / (1 + zz);
    const double half = z / (1 + zz) * sqrt(p * (1 - p) / count + zz / (4 * count));
    printf(s->json ? "{\"tasks\": %zu, \"right\": %zu, \"share\": %.9g, \"low\": %.9g, \"high\": %.9g}\n"
                   : "%zu tasks, %zu right: %.4f (95 %%: %.4f to %.4f)\n",
           n, right, p, middle - half, middle + half);
}

infer_status choose_answers(const struct scorer *s, const struct text_options *o, enum task_format format,
                            int32_t n_tasks, infer_error *err)
{
    struct tasks tasks = { .o = o };
    size_t right = 0, n = 0;
    infer_status status = INFER_OK;
    for (; status == INFER_OK && tasks.at < o->length && (n_tasks < 0 || n < (size_t)n_tasks); n++) {
        struct task task = { 0 };
        size_t choice = 0;
        status = (format == TASKS_JSON ? read_json : read_hellaswag)(&tasks, &task, err);
        if (status == INFER_OK)
            status = answer_task(s, &tasks, &task, &choice, err);
        right += status == INFER_OK && choice == task.answer;
        if (s->progress && status == INFER_OK)
            fprintf(stderr, "\r%zu tasks, %zu right ", n + 1, right);
        task_free(&task);
    }
    if (s->progress && n)
        fputc('\n', stderr);
    if (status == INFER_OK && !n)
        return failure(err, INFER_E_ARGUMENT, "%s: has no tasks", o->name);
    if (status == INFER_OK)
        print_share(s, right, n);
    return status;
}
