from cygnet.techniques.tools.calculator import calculator


def test_as_a_tool_it_says_what_the_model_is_bad_at():
    tool = calculator()
    assert tool.name == "calculator"
    assert "bad at arithmetic" in tool.weakness
    assert tool.call({"expression": "12 * 12"}) == "144"
    assert tool.call({"expression": "1 / 0"}) == "error: division by zero"
