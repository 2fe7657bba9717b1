/* embed.h - vectors and scores of whole texts. Part of infer.h, which says what holds for all. */
#ifndef INFER_EMBED_H
#define INFER_EMBED_H

#include "session.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Makes vectors and scores of whole texts, by an encoder (BERT ...) or by the hidden states of any other model. Used
 *  by one thread at a time; many texts of one call are computed together, by all threads of the context. */
typedef struct infer_embedder infer_embedder;

/** How the vectors of a text's tokens become one. Values are for ever. */
typedef enum infer_pooling {
    INFER_POOLING_DEFAULT = 0, /**< what the model says (GGUF's pooling_type, sentence-transformers' 1_Pooling); where
                                *   it says nothing: none if it projects the vectors of tokens (ColBERT), else the mean
                                *   of an encoder's, the last of others */
    INFER_POOLING_NONE = 1,    /**< they do not: infer_embed_tokens() */
    INFER_POOLING_MEAN = 2,
    INFER_POOLING_CLS = 3,     /**< the first token's */
    INFER_POOLING_LAST = 4     /**< the last token's */
} infer_pooling;

/** Options of infer_embedder_open(). */
typedef struct infer_embedder_options {
    size_t size;               /**< sizeof(infer_embedder_options) */
    infer_pooling pooling;     /**< INFER_POOLING_DEFAULT (default) */
    int32_t dimensions;        /**< keep the first so many numbers of a vector, before it is normalised; 0 = all
                                *   (default) */
    bool normalize;            /**< vectors get length 1 (default true) */
    bool truncate;             /**< texts of more than n_ctx tokens are cut at their end, else refused (default
                                *   false) */
    int32_t n_ctx;             /**< most tokens of a text, with those put around it; 0 = what the model was made for:
                                *   max_seq_length of sentence-transformers, else all its positions (default) */
    infer_precision precision; /**< INFER_FAST (default) */
} infer_embedder_options;

static inline infer_embedder_options infer_embedder_defaults(void)
{
    infer_embedder_options o;
    memset(&o, 0, sizeof o);
    o.size = sizeof o;
    o.normalize = true;
    return o;
}

/** A text, or ids of one. */
typedef struct infer_input {
    const char *text;   /**< UTF-8, length bytes; names of control tokens in it become these tokens; NULL = ids count */
    size_t length;      /**< bytes */
    const int32_t *ids; /**< n_ids in [0, n_vocab), as they are: nothing is put around them */
    size_t n_ids;       /**< counts where text is NULL */
} infer_input;

/** INFER_E_UNKNOWN if the model makes vectors in a way that this version does not know, such as a further layer of
 *  sentence-transformers. */
INFER_API infer_embedder *infer_embedder_open(infer_model *model, const infer_embedder_options *options,
                                              infer_error *err);
INFER_API void infer_embedder_close(infer_embedder **embedder);

/** What infer_embedder_get_info() tells. */
typedef struct infer_embedder_info {
    size_t size;          /**< in: sizeof(infer_embedder_info) */
    infer_pooling pooling; /**< never INFER_POOLING_DEFAULT */
    int32_t dimensions;   /**< of a text's vector */
    int32_t token_dimensions; /**< of a token's vector */
    int32_t n_ctx;        /**< most tokens of a text */
    bool reranks;         /**< infer_rerank() can be called */
} infer_embedder_info;
INFER_API void infer_embedder_get_info(const infer_embedder *embedder, infer_embedder_info *info);

/** A vector for each text.
 *  @param out (n, dimensions), owned by the caller; unspecified after an error.
 *  @return INFER_OK; INFER_E_ARGUMENT for a text that is too long or has no token, or if there is no pooling;
 *          INFER_E_NOMEM, INFER_E_CANCELLED.
 *  @note Results do not depend on the number of threads. With which others a text is computed changes no more than
 *        rounding. */
INFER_API infer_status infer_embed(infer_embedder *embedder, const infer_input *texts, size_t n, float *out,
                                   infer_error *err);
/** A vector for each token of each text, as ColBERT compares them: infer_maxsim().
 *  @param out   (first[n], token_dimensions), or NULL to fill only `first`.
 *  @param max   Rows of out; less than first[n] is INFER_E_ARGUMENT.
 *  @param first n + 1 numbers: text i has the rows first[i] to first[i + 1]. */
INFER_API infer_status infer_embed_tokens(infer_embedder *embedder, const infer_input *texts, size_t n, float *out,
                                          size_t max, size_t *first, infer_error *err);
/** How well each of n documents answers the query, by a model that was trained to score pairs (a cross-encoder): the
 *  score as it comes out of the model, larger is better. Its sigmoid is what some call the relevance.
 *  The model's tokens for the start, the end and between are put around the two, ids or texts. With `truncate` the
 *  longer of the two is cut, then both.
 *  @param scores n floats.
 *  @return as infer_embed; INFER_E_ARGUMENT too if the model has no head for one score. */
INFER_API infer_status infer_rerank(infer_embedder *embedder, const infer_input *query, const infer_input *documents,
                                    size_t n, float *scores, infer_error *err);
/** ColBERT's late interaction (arXiv 2004.12832): of each token of the query the largest product with a token of the
 *  document, summed over the query's tokens. Thread safe.
 *  @param query     (n_query, dimensions)
 *  @param documents (first[n], dimensions), the tokens of document i from row first[i] on, as infer_embed_tokens() has
 *                   them. The score of a document without tokens is 0.
 *  @param scores    n floats. */
INFER_API infer_status infer_maxsim(infer_context *context, size_t dimensions, const float *query, size_t n_query,
                                    const float *documents, const size_t *first, size_t n, float *scores,
                                    infer_error *err);
/** Make a running or the next call on the embedder return INFER_E_CANCELLED soon. From any thread. */
INFER_API void infer_embedder_cancel(infer_embedder *embedder);

#ifdef __cplusplus
}
#endif
#endif
