/* job.h - texts that a request asks a model for, in any dialect.
 *
 * A dialect's handler makes a job of its request, says what it wants, and starts it. From then on the job calls the
 * dialect's writer: for each piece of text of a stream, and at the end, where all answers are whole. It does so on the
 * thread that computes, one call at a time. */
#ifndef SERVICE_JOB_H
#define SERVICE_JOB_H

#include "service/fields.h"
#include "service/models.h"

enum { MAX_ANSWERS = 128, MAX_STOPS = 64, MORE_STOPS = 8 /* by a dialect itself */ };

struct job;

/** What is asked of the scheduler for one of the prompts. */
struct submitted {
    struct job *job;
    infer_request *handle;
};

/** One of the texts. */
struct answer {
    struct job *job;
    int index;
    struct text content, reasoning;
    json_t *calls;    /* [{"id", "type": "function", "function": {"name", "arguments": T}}]; NULL: none */
    json_t *tokens;   /* of the content so far: [{"token", "logprob", "bytes", "top_logprobs"}], where asked for */
    size_t n_shown;   /* of these, how many a piece has shown */
    infer_error err; /* at the end: INFER_OK, INFER_E_CANCELLED ... */
    infer_generate_result result; /* at the end */
    double last;      /* service_seconds() of the last piece; 0: none yet */
};

/** How a dialect writes. */
struct writer {
    /** The stream begins; the exchange has not. */
    void (*begin)(struct job *job);
    /** A piece of a stream. A call comes as two, its name and its arguments, which are the last of answer->calls. */
    void (*piece)(struct job *job, struct answer *answer, infer_chat_part part, const char *text, size_t length);
    /** All answers are at their end: answer, or end the stream. */
    void (*end)(struct job *job);
    /** A stream fails: tell why. The job ends it. */
    void (*fail)(struct job *job, const infer_error *err);
};

struct job {
    infer_exchange *x;
    infer_service *service;
    struct served *model; /* held by the exchange */
    const struct writer *writer;
    json_t *body;  /* the request; released with the job */
    void *state;   /* the dialect's, allocated by malloc, freed with the job; or NULL */
    void (*free_state)(void *state); /* NULL: free() */
    char id[40];   /* of the answer, in the form that the dialect has */
    int64_t created; /* seconds since 1970 */
    bool stream;
    bool every_piece; /* writer->piece() is called also where there is no stream */
    bool text_tokens; /* the names of control tokens are part of what is written */

    /* what is wanted; the pointers in these point to what follows */
    infer_generate_options generate;
    infer_sampler_options sampler;
    infer_request_options request; /* n, best_of, priority */
    const char *stops[MAX_STOPS + MORE_STOPS]; /* point into the body, or to what the dialect keeps */
    infer_logit_bias *biases;
    const char **banned, **breakers;
    infer_sampler_stage *stages;
    infer_grammar *grammar;
    infer_adapter **adapters;
    float *scales;

    /* a conversation, or else a prompt */
    infer_chat_setup setup;
    struct chat_entry *chat; /* held */
    json_t *messages;        /* as infer_chat_render() takes them */
    char *tools, *variables; /* JSON */
    const char *prompt;      /* n_prompt bytes, which outlive job_start() */
    size_t n_prompt;
    int32_t *ids;            /* of all prompts, one after the other; they count more than the text */
    size_t n_ids;
    int n_prompts;           /* 1, unless `lengths` says how many of the ids each of them has */
    size_t *lengths;

    struct answer *answers; /* n_answers: request.n to the first prompt, then those to the next one */
    int n_answers;
    void **users;           /* n_answers: pointers to them */
    struct submitted *submitted;    /* n_prompts */
    pthread_mutex_t lock;
    int owners;  /* who started it, and until its end who computes each prompt */
    int pending; /* prompts that are not at their end */
    bool begun, ended;
    infer_error refusal; /* why a prompt was not taken; INFER_OK: all were */
};

/** A job for the exchange's request, with the model that the body names and everything at its defaults. The body is the
 *  job's from now on. NULL: that has been answered. */
struct job *job_open(infer_exchange *x, json_t *body, const struct writer *writer);
/** Read the fields about sampling that OpenAI's, llama.cpp's and Ollama's users know: temperature, top_p, top_k, seed,
 *  penalties, logit_bias, grammar, adapters ... Those about length have names of their own in each dialect. */
void job_read_sampling(struct job *job, struct fields *f);
/** Read "lora": [{"id": I, "scale": X}] of those that /lora-adapters lists; without it, these with the scales they have
 *  there. A part of job_read_sampling(). */
void job_read_adapters(struct job *job, struct fields *f);
/** Read stop strings: a string or an array of them. */
void job_read_stops(struct job *job, struct fields *f, const char *name);
/** Tokens to write at most, cut to what the service allows; negative: as many as fit. */
void job_set_length(struct job *job, int64_t n);
/** The answer is held to a schema, or to be any JSON object if that is NULL. */
void job_set_schema(struct job *job, struct fields *f, const char *param, const json_t *schema);
/** Compile the conversation's template and tools into job->chat, where that has not been done. */
bool job_open_chat(struct job *job, infer_error *err);
/** Begin. Whatever is wrong is answered, and the job is no longer the caller's in any case. */
void job_start(struct job *job);
/** End without asking the model: the answers, which are made, are empty. The job is no longer the caller's. */
void job_end_empty(struct job *job);
/** Status of HTTP for a failure before there is a text: what the request itself brought is its own fault. */
int job_status(const struct job *job, const infer_error *err);
/** Answer with an error and free a job that was not started. */
void job_fail(struct job *job, int status, const char *param, const char *code, const char *format, ...)
    __attribute__((format(printf, 5, 6)));
/** Free a job whose error has been answered. */
void job_free(struct job *job);

/** generate.on_token of a job whose answers want `tokens`, but for the one that ends a text; generate.n_top says with
 *  how many others each. */
void job_on_token(void *answer, int32_t id, float logprob, const infer_logprob *top, size_t n_top);

/** Tokens of the prompt (those that were not computed included), and of all answers. */
size_t job_prompt_tokens(const struct job *job);
size_t job_cached_tokens(const struct job *job);
size_t job_answer_tokens(const struct job *job);
/** OpenAI's word for why an answer ended: "stop", "length", "tool_calls". */
const char *finish_reason(const struct answer *answer);
/** Write a JSON value, which is released, as an event of a stream: "event: NAME" if there is a name, "data: ...". */
void write_event(infer_exchange *x, const char *name, json_t *taken);
/** The same as a line of its own. */
void write_line(infer_exchange *x, json_t *taken);

#endif
