/* ollama.h - Ollama's API. */
#ifndef SERVICE_OLLAMA_H
#define SERVICE_OLLAMA_H

#include "service/conversation.h"

#include <time.h>

/** What such a request has besides its job. */
struct ollama {
    double load_seconds; /* that the model took to open */
    double keep;         /* seconds that the model stays open afterwards, where `keeps`; negative: for good */
    bool keeps;
    bool generates; /* POST /api/generate, not /api/chat */
    bool remembers; /* the answer tells `context` */
};

/** A job of a body, with job->state a struct ollama. NULL: that has been answered. */
struct job *ollama_open(infer_exchange *x, json_t *body, const struct writer *writer);
/** options, format, stream, think, logprobs, template: what generate and chat share. */
void ollama_read(struct job *job, struct fields *f);
/** keep_alive: seconds, or as text "5m", "1h30m". False: there is none. */
bool ollama_keep_alive(struct fields *f, double *seconds);
/** A request that asks for nothing but that the model be opened, or, with keep_alive 0, closed: answered. The body is
 *  released. `empty` is what stands for the text in the answer, under `key`; it is taken. */
void ollama_load(infer_exchange *x, json_t *body, const char *key, json_t *empty);
/** Name of the model, as the request has it. */
const char *ollama_name(const json_t *body, const struct served *model);
enum { OLLAMA_COUNT = 24 };
/** A number of parameters: "1.1B", "260K". Returns the text. */
const char *ollama_count(uint64_t n, char text[OLLAMA_COUNT]);
/** RFC 3339 of a time, or of now and some seconds. */
json_t *ollama_time_at(struct timespec when);
json_t *ollama_time(double ahead);
/** Nanoseconds. */
json_t *ollama_duration(double seconds);

/** POST /api/generate, in Ollama's or in Shimmy's form; POST /api/chat. */
void ollama_generate(infer_exchange *x);
void ollama_chat(infer_exchange *x);
/** POST /api/embed, POST /api/embeddings */
void ollama_embed(infer_exchange *x);
void ollama_embeddings(infer_exchange *x);
/** GET /api/tags, POST /api/show, GET /api/ps, GET /api/version */
void ollama_tags(infer_exchange *x);
void ollama_show(infer_exchange *x);
void ollama_ps(infer_exchange *x);
void ollama_version(infer_exchange *x);
/** POST /api/pull */
void ollama_pull(infer_exchange *x);
/** DELETE /api/delete, POST /api/copy, /api/create, /api/push */
void ollama_refuse(infer_exchange *x);

#endif
