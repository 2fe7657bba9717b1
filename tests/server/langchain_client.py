"""LangChain's class for OpenAI's API talks to infer-server: chats, streams, tools, schemas, responses, vectors."""
import os

from langchain_core.messages import HumanMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI, OpenAI, OpenAIEmbeddings
from pydantic import BaseModel

from common import BUILD, Server

PROGRAM = os.path.join(BUILD, "infer-server")


class Sky(BaseModel):
    """The sky."""
    blue: bool


@tool
def weather(blue: bool) -> str:
    """Tells the weather."""
    return "blue" if blue else "grey"


def chats(make):
    llm = make(ChatOpenAI, max_tokens=12)
    whole = llm.invoke("Once upon a time")
    assert whole.content and whole.usage_metadata["output_tokens"] == 12, whole
    assert "".join(c.content for c in llm.stream("Once upon a time")) == whole.content
    assert len(llm.batch(["Once", "The dog"])) == 2
    told = llm.bind(logprobs=True).invoke("Once")
    assert len(told.response_metadata["logprobs"]["content"]) == 12, told


def calls_tools(make):
    llm = make(ChatOpenAI, max_tokens=80).bind_tools([weather], tool_choice="any", parallel_tool_calls=False)
    asked = HumanMessage("Weather?")
    called = llm.invoke([asked])
    call = called.tool_calls[0]
    assert call["name"] == "weather" and call["args"]["blue"] in (True, False), called
    answer = weather.invoke(call)
    assert isinstance(answer, ToolMessage) and make(ChatOpenAI, max_tokens=4).invoke([asked, called, answer]).content


def holds_to_schemas(make):
    for method in ("json_schema", "function_calling"):
        made = make(ChatOpenAI, max_tokens=60).with_structured_output(Sky, method=method).invoke("Once")
        assert made.blue in (True, False), made


def responds(make):
    llm = make(ChatOpenAI, max_tokens=12, use_responses_api=True, output_version="responses/v1")
    whole = llm.invoke("Once upon a time")
    assert whole.text and whole.response_metadata["id"].startswith("resp_"), whole
    assert "".join(c.text for c in llm.stream("Once upon a time")) == whole.text
    more = llm.invoke("And?", previous_response_id=whole.response_metadata["id"])
    assert more.usage_metadata["input_tokens"] > whole.usage_metadata["input_tokens"], more


def completes(make):
    assert make(OpenAI, max_tokens=8).invoke("Once upon a time")


def embeds(make):
    vectors = make(OpenAIEmbeddings, check_embedding_ctx_length=False).embed_documents(["one", "two"])
    assert len(vectors) == 2 and len(vectors[0]) > 8


def main():
    with Server(program=PROGRAM) as server:
        def make(kind, **more):
            if kind is not OpenAIEmbeddings:
                more["temperature"] = 0
            return kind(model="stories", base_url=f"http://127.0.0.1:{server.port}/v1", api_key="none", max_retries=0,
                        timeout=60, **more)
        for part in (chats, calls_tools, holds_to_schemas, responds, completes, embeds):
            part(make)


main()
