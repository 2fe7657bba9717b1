/* settings.c - the command line of infer-run. */
#include "tools/run/run.h"

#include <stdlib.h>

struct settings settings;

static const struct opt rows[] = {
    { OPT_GROUP, NULL, NULL, "What to run", NULL, 0, 0 },
    { OPT_TEXT, "-m, --model", "PATH", "GGUF file (of split files any one) or Hugging Face directory; default "
      "$INFER_MODEL, else the small story model inside the program", &settings.model, 0, 0 },
    PULL_REPO_ROW(settings.hub),
    PULL_ROWS(settings.hub),
    { OPT_TEXT, "--modelfile", "FILE", "take the model, and how it is run, from a Modelfile as Ollama has them; so "
      "does -m with a file of this name", &settings.modelfile, 0, 0 },
    { OPT_TEXT, "-p, --prompt", "TEXT", "text to go on from; names of special tokens in it count as these",
      &settings.prompt, 0, 0 },
    { OPT_TEXT, "-f, --file", "FILE", "take the prompt from a file, - is stdin; a newline at its end is left out",
      &settings.file, 0, 0 },
    { OPT_FLAG, "-i, --interactive", NULL, "after the prompt, go on with each line typed; Ctrl-C ends an answer, "
      "Ctrl-D all", &settings.interactive, 0, 0 },
    { OPT_TEXT, "--session", "FILE", "go on from the text that was saved here, if there is any, and save it here at "
      "the end; of a conversation, what is here need not be computed again", &settings.session, 0, 0 },
    { OPT_FLAG, "--embedding", NULL, "print the vector of the prompt as JSON, or those of its tokens, as the model "
      "says", &settings.embedding, 0, 0 },
    { OPT_FLAG, "-e, --escape", NULL, "\\n, \\t, \\xHH ... in -p, --stop and typed lines stand for newline, tab ... "
      "(default, but in conversations only in --stop)", &settings.escape, 0, 0 },
    { OPT_OFF, "--no-escape", NULL, "they stand for themselves", &settings.escape, 0, 0 },

    { OPT_GROUP, NULL, NULL, "Conversation", NULL, 0, 0 },
    { OPT_FLAG, "--chat, -cnv, --conversation", NULL, "what is typed, or the prompt, is said to the model as its chat "
      "template has it, and so are its answers; the default for models that bring a template, but for the one inside "
      "the program", &settings.talk, 0, 0 },
    { OPT_FLAG, "-no-cnv, --no-conversation", NULL, "text goes on as it is, whatever the model brings",
      &settings.no_talk, 0, 0 },
    { OPT_TEXT, "-sys, --system-prompt", "TEXT", "message to begin the conversation with", &settings.system, 0, 0 },
    { OPT_TEXT, "--chat-template", "NAME|FILE", "a common template by its name (chatml, llama3, mistral ...) or a file "
      "of Jinja; default: the model's, else chatml", &settings.chat.template_name, 0, 0 },
    { OPT_INT, "--reasoning-budget", "N", "most tokens of reasoning before an answer; -1 = any number (default)",
      &settings.chat.reasoning_budget, -1, INT32_MAX },
    { OPT_TEXT, "--chat-template-kwargs", "JSON", "object of further variables for the template, such as "
      "'{\"enable_thinking\": false}'", &settings.chat.variables, 0, 0 },

    { OPT_TEXT, "--tools", "JSON|FILE", "functions that the model may call, as OpenAI's API has them: an array (it "
      "begins with [) or a file; calls are written as lines of JSON", &settings.tools, 0, 0 },
    { OPT_TEXT, "--tool-choice", "auto|none|required|NAME", "whether it calls one: as it likes, never, always, always "
      "this one; default auto", &settings.tool_choice, 0, 0 },

    { OPT_GROUP, NULL, NULL, "How much", NULL, 0, 0 },
    { OPT_INT, "-n, --n-predict, --predict", "N", "tokens to write; -1 = until the model ends",
      &settings.n_predict, -1, INT32_MAX },
    { OPT_INT, "-c, --ctx-size", "N", "most tokens of prompt and text together; default 0: as many as the model was "
      "trained on, up to 4096", &settings.n_ctx, 0, INT32_MAX },
    { OPT_LIST, "-r, --stop, --reverse-prompt", "TEXT", "end before this text; may be given several times",
      &settings.stops, 0, 0 },
    { OPT_FLAG, "--ignore-eos", NULL, "never choose a token that ends the text", &settings.ignore_end, 0, 0 },

    { OPT_GROUP, NULL, NULL, "How tokens are chosen, in this order", NULL, 0, 0 },
    GRAMMAR_ROWS(settings.grammar),
    SAMPLING_ROWS(settings.sampling),
    { OPT_INT64, "-s, --seed", "N", "same seed, same text; -1 = another text each time",
      &settings.seed, -1, (double)INT64_MAX },

    { OPT_GROUP, NULL, NULL, "Or searched for", NULL, 0, 0 },
    { OPT_INT, "--beams", "N", "write the likeliest text that a beam search of N beams finds, at its end; of what "
      "chooses tokens only penalties, DRY, biases, bans and grammars count", &settings.n_beams, 1, INFER_MAX_BEAMS },
    { OPT_FLOAT, "--length-penalty", "X", "texts are compared by the sum of their log-probabilities, divided by length "
      "to the power of X", &settings.length_penalty, -100, 100 },

    { OPT_GROUP, NULL, NULL, "How it is computed", NULL, 0, 0 },
    { OPT_INT, "-t, --threads", "N", "threads; default 0: one per physical core", &settings.n_threads, 0, 256 },
    { OPT_INT, "-b, --batch-size", "N", "tokens of the prompt computed at once", &settings.n_batch, 1, 4096 },
    { OPT_CHOICE, "--precision", "fast|exact", "activations as 8-bit blocks where the weights are quantised, or as "
      "floats", &settings.precision, 0, 0 },
    KV_ROWS(settings.kv),
    { OPT_TEXT, "--prefix-store", "DIR", "find here what was computed of the same beginning of a text, and keep it",
      &settings.store, 0, 0 },
    { OPT_INT64, "--prefix-store-size", "BYTES", "of its files, of which those not used for longest go; 0 = no bound",
      &settings.store_bytes, 0, (double)INT64_MAX },
    { OPT_FLAG, "--lookup", NULL, "guess tokens from what the text repeats; the text is the same, in less time",
      &settings.lookup, 0, 0 },
    { OPT_TEXT, "--draft, -md, --model-draft", "PATH", "guess tokens by a smaller model with the same vocabulary; the "
      "text is the same, in less time", &settings.draft, 0, 0 },
    { OPT_INT, "--draft-max, --draft-n", "N", "most tokens guessed at once, by either; default 0: 8",
      &settings.speculation.n_max, 0, INFER_MAX_GUESSES },
    { OPT_FLAG, "--draft-as-batch", NULL, "round guessed tokens as batches are, which is faster where many come true, "
      "but may change the text", &settings.speculation.as_batch, 0, 0 },

    { OPT_GROUP, NULL, NULL, "Adapters", NULL, 0, 0 },
    ADAPTER_ROWS(settings.adapters),

    PROGRAM_MACHINE_OPTIONS,

    { OPT_GROUP, NULL, NULL, "What is shown", NULL, 0, 0 },
    { OPT_OFF, "--no-display-prompt, --no-prompt-echo", NULL, "write only what follows the prompt",
      &settings.echo, 0, 0 },
    { OPT_FLAG, "-sp, --special", NULL, "write control tokens by name", &settings.special, 0, 0 },
    { OPT_TEXT, "--logprobs", "FILE", "write how likely each token of prompt and text was, a line of JSON for each; "
      "all of the prompt is computed then", &settings.logprobs, 0, 0 },
    { OPT_INT, "--top-logprobs", "N", "and the N most likely tokens at its place", &settings.n_top, 0, INFER_MAX_TOP },
    { OPT_FLAG, "-v, --verbose", NULL, "more about model, memory and machine on stderr", &settings.verbose, 0, 0 },
    { OPT_FLAG, "-q, --quiet", NULL, "no figures on stderr", &settings.quiet, 0, 0 },
    OPT_STANDARD,
};

static bool given[sizeof rows / sizeof *rows];
static const struct command *const commands[] = { &list_command, &show_command, &doctor_command, NULL };

const struct command run_command = {
    .name = "infer-run",
    .about = "write text with a language model",
    .usage = "[options]",
    .examples = "  infer-run                                 a story by the model inside the program\n"
                "  infer-run -m model.gguf -p \"Once upon a time\" -n 100\n"
                "  infer-run -hf ORG/REPO:q8_0 -p \"Hello\"    a model of Hugging Face's hub\n"
                "  infer-run -m model.gguf -p \"2 + 2 =\" --temp 0          the most likely text\n"
                "  cat letter.txt | infer-run -m model.gguf  go on from a text\n"
                "  infer-run -m model.gguf -i -p \"Q: \" -r \"\\nQ:\"        line by line\n"
                "  infer-run -m chat.gguf                    a conversation; /help there lists commands\n"
                "  infer-run --session story.session -n 50   a story, and more of it each time\n"
                "  infer-run -m model.gguf -p \"The cat as JSON: \" -j '{\"type\":\"object\"}'\n",
    .notes = PROGRAM_ENVIRONMENT PULL_ENVIRONMENT
             "\nExit codes: 0 done, 1 failure, 2 wrong options, 130 interrupted by Ctrl-C.\n",
    .rows = rows,
    .commands = commands,
    .n_rows = sizeof rows / sizeof *rows,
    .given = given,
};

static bool speaks_of_talk(void)
{
    return settings.talk || settings.system || settings.chat.template_name || settings.chat.variables ||
           settings.tools;
}

/* What the table cannot know. */
static int check(void)
{
    if (settings.model && settings.hub.repo && !modelfile_is_name(settings.model))
        return options_complain(&run_command, "-m and -hf both name a model; use one of them");
    if (settings.hub.file && !settings.hub.repo)
        return options_complain(&run_command, "-hff goes with -hf");
    if (settings.prompt && settings.file)
        return options_complain(&run_command, "-p and -f both give a prompt; use one of them");
    if (settings.no_talk && speaks_of_talk())
        return options_complain(&run_command, "--chat, -sys, --chat-template, --chat-template-kwargs and --tools do "
                                "not go with -no-cnv");
    if (settings.n_beams && (speaks_of_talk() || settings.logprobs))
        return options_complain(&run_command, "--beams goes with neither --chat nor --logprobs");
    if (settings.n_top && !settings.logprobs)
        return options_complain(&run_command, "--top-logprobs goes with --logprobs");
    if (settings.tool_choice && !settings.tools)
        return options_complain(&run_command, "--tool-choice goes with --tools");
    if (settings.embedding && (speaks_of_talk() || settings.interactive || settings.n_beams || settings.logprobs))
        return options_complain(&run_command, "--embedding goes with none of --chat, --tools, -i, --beams and "
                                "--logprobs");
    return EXIT_SUCCESS;
}

enum options_result settings_read(int argc, char **argv)
{
    settings.sampling.o = infer_sampler_defaults();
    settings.chat = infer_chat_setup_defaults();
    settings.speculation = infer_speculation_defaults();
    settings.echo = settings.escape = true;
    settings.n_predict = -1;
    settings.seed = -1;
    settings.store_bytes = (int64_t)infer_store_defaults().max_bytes;
    settings.n_batch = 512;
    settings.length_penalty = infer_beam_defaults().length_penalty;
    enum options_result result = options_parse(&run_command, argc, argv);
    if (result == OPTIONS_RUN && check() != EXIT_SUCCESS)
        result = OPTIONS_WRONG;
    const bool asked = settings.talk || settings.chat.template_name;
    if (!settings.modelfile && settings.model && modelfile_is_name(settings.model)) {
        settings.modelfile = settings.model;
        settings.model = NULL;
    }
    if (result == OPTIONS_RUN && settings.modelfile && !from_modelfile())
        result = OPTIONS_FAILED;
    settings.no_talk |= settings.n_beams || settings.embedding || (settings.plain_template && !asked);
    settings.talk = speaks_of_talk() && !settings.no_talk;
    return result;
}

void settings_close(void)
{
    modelfile_close(&settings.read);
}
