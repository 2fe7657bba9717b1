"""Samples from the Hugging Face directory, for the eye."""
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

PROMPTS = ["Once upon a time", "One day, a little mouse", "Milo the fox lived in the forest.",
           "It was a cold winter morning,"]
CHATS = [["Tell me a story about a brave otter named Nina.", "Who helped Nina?", "Where does Nina live?", "Thank you!"],
         ["Hello!", "Can you tell me a story about a lost ball?", "What colour was the ball?",
          "What is the capital of Peru?"]]
MODES = {"greedy": {"do_sample": False, "temperature": None},
         "temperature 0.8": {"do_sample": True, "temperature": 0.8, "top_k": 0},
         "temperature 0.7": {"do_sample": True, "temperature": 0.7, "top_k": 0}}


def generate(model, tokenizer, ids, **options):
    out = model.generate(ids, attention_mask=torch.ones_like(ids),
                         max_new_tokens=model.config.max_position_embeddings - ids.shape[1],
                         pad_token_id=0, **options)
    return out[0, ids.shape[1]:]


def sample(hf_folder):
    tokenizer = AutoTokenizer.from_pretrained(hf_folder)
    model = AutoModelForCausalLM.from_pretrained(hf_folder, dtype=torch.float32).eval()
    for name, options in MODES.items():
        torch.manual_seed(7)
        for prompt in PROMPTS:
            ids = tokenizer(prompt, return_tensors="pt").input_ids
            print(f"==== {name}\n{prompt}{tokenizer.decode(generate(model, tokenizer, ids, **options))}\n")
        for questions in CHATS:
            messages = []
            print(f"==== {name}, chat")
            for question in questions:
                messages.append({"role": "user", "content": question})
                text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
                ids = tokenizer(text, return_tensors="pt", add_special_tokens=False).input_ids
                answer = tokenizer.decode(generate(model, tokenizer, ids, **options), skip_special_tokens=True)
                messages.append({"role": "assistant", "content": answer})
                print(f"> {question}\n{answer}\n")
