/* infer.h - run language models.
 *
 * infer_context    threads, instruction set, allocator and logger; any number of them live side by side
 * infer_model      weights used where they are mapped from a GGUF file or a Hugging Face directory, and their
 *                  tokenizer; constant once open, shared by any number of sessions and threads
 * infer_tokenizer  text <-> token ids; part of a model, or opened alone from a vocabulary file
 * infer_chat_template  a model's way to write conversations; constant once open
 * infer_chat       how a model is talked with: template, tools, what answers are held to; constant once open
 * infer_chat_parser    tells content, reasoning and tool calls apart in what a model writes; used by one thread at a
 *                      time
 * infer_cache      models kept open by their paths, within a budget of bytes; shared by any number of threads
 * infer_session    one timeline of tokens with its own cache and logits; used by one thread at a time
 * infer_store      a directory with what sessions have computed; shared by any number of threads and processes
 * infer_adapter    what changes a model for some sessions (LoRA, control vectors); constant once open, shared by any
 *                  number of sessions and threads
 * infer_sampler    picks the next token from logits; used by one thread at a time
 * infer_grammar    what texts may look like; constant once open, shared by any number of samplers and threads
 * infer_matcher    one text on its way through a grammar; used by one thread at a time
 * infer_generation  a text that is fetched piece by piece; used by one thread at a time
 * infer_beams      texts that a search has found; constant, used by any number of threads
 * infer_scheduler  computes the texts of many requests together; used by any number of threads
 * infer_request    what a scheduler is asked for; used by any number of threads
 * infer_embedder   makes vectors and scores of whole texts; used by one thread at a time
 *
 *     infer_error err;
 *     infer_context *ctx = infer_context_open(NULL, &err);
 *     infer_model *model = infer_model_open(ctx, "model.gguf", NULL, &err);
 *     infer_session *session = infer_session_open(model, NULL, &err);
 *     infer_sampler *sampler = infer_sampler_open(ctx, NULL, &err);
 *     infer_generate(session, sampler, "Once upon a time", 16, NULL, NULL, &err);
 *
 * Rules that hold for every function:
 * - Nothing here ends the program, prints, or reads the environment. A function that makes something returns NULL on
 *   failure, the others an infer_status; both fill `err` (which may be NULL) with a code and a sentence.
 * - A NULL options pointer means the defaults. Otherwise start from infer_*_defaults(): the struct carries its own
 *   size, so that a program compiled against an older header keeps working.
 * - infer_*_close takes the address of the handle and sets it to NULL; closing NULL is allowed. Handles keep what they
 *   need alive: a model its context, a session its model.
 * - Text is UTF-8 with an explicit length; it may hold NUL bytes.
 * Include this header; its parts, in infer/, stand on their own too. What is not in it is not part of the API. */
#ifndef INFER_H
#define INFER_H

#define INFER_VERSION_MAJOR 0
#define INFER_VERSION_MINOR 1
#define INFER_VERSION_PATCH 0

#include "infer/adapters.h"
#include "infer/base.h"
#include "infer/cache.h"
#include "infer/chat.h"
#include "infer/embed.h"
#include "infer/generate.h"
#include "infer/grammar.h"
#include "infer/model.h"
#include "infer/sampler.h"
#include "infer/scheduler.h"
#include "infer/search.h"
#include "infer/session.h"
#include "infer/speculate.h"
#include "infer/store.h"
#include "infer/tokenizer.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Version of the library linked: (major << 16) | (minor << 8) | patch. */
INFER_API unsigned infer_version(void);

#ifdef __cplusplus
}
#endif
#endif
