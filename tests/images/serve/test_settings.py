"""Where the server's settings come from, and what it says of a value that it cannot use."""

from pathlib import Path

import pytest

from images.serve.settings import SettingsError, read_settings

VARIABLES = ("SAGEMAKER_BASE_DIR", "SAGEMAKER_BIND_TO_PORT", "PORT", "CREDIT_SERVE_TOKEN_FILE", "CREDIT_PREDICTION_LOG")
VARIABLES += ("CREDIT_ONLINE_TABLE", "CREDIT_ONLINE_TIMEOUT_MS", "MAX_ROWS", "MODEL_DIR")


@pytest.fixture
def read(monkeypatch):
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)

    def read(*arguments, **variables):
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        return read_settings(arguments)

    return read


def test_the_defaults_are_sagemakers_folder_and_neither_tokens_nor_look_ups_nor_a_log(read):
    settings = read("serve")
    assert (settings.model_dir, settings.http_port, settings.max_rows) == (Path("/opt/ml/model"), 8080, 1000)
    assert (settings.token_file, settings.online_table, settings.prediction_log) == (None, "", "")


def test_the_command_line_wins_over_variables(read):
    variables = {"SAGEMAKER_BASE_DIR": "/b", "PORT": "7", "CREDIT_SERVE_TOKEN_FILE": "/t"}
    settings = read("--model_dir", "/m", "--http_port", "9", "--token_file", "/u", **variables)
    assert (settings.model_dir, settings.http_port, settings.token_file) == (Path("/m"), 9, Path("/u"))


def test_variables_win_over_defaults_and_sagemakers_port_over_knatives(read):
    ports = {"PORT": "7", "SAGEMAKER_BIND_TO_PORT": "8"}
    settings = read(SAGEMAKER_BASE_DIR="/b", CREDIT_SERVE_TOKEN_FILE="/t", **ports)
    assert (settings.model_dir, settings.http_port, settings.token_file) == (Path("/b/model"), 8, Path("/t"))


def test_an_empty_variable_counts_as_none(read):
    settings = read(SAGEMAKER_BIND_TO_PORT="", PORT="7", CREDIT_SERVE_TOKEN_FILE="", CREDIT_ONLINE_TIMEOUT_MS="")
    assert (settings.http_port, settings.token_file, settings.online_timeout_ms) == (7, None, 5.0)


@pytest.mark.parametrize("name", ["MAX_ROWS", "CREDIT_SERVE_MAX_ROWS", "max_rows"])
def test_variables_that_are_somebody_elses_are_not_read(read, name):
    assert read(**{name: "3"}).max_rows == 1000
    assert read(MODEL_DIR="/m", port="3").model_dir == Path("/opt/ml/model")
    assert read().http_port == 8080


def test_settings_of_what_is_switched_off_do_no_harm(read):
    settings = read(CREDIT_ONLINE_TIMEOUT_MS="soon", CREDIT_PREDICTION_LOG_ROWS="0")
    assert (settings.online_timeout_ms, settings.prediction_log_rows) == (5.0, 10_000)


def test_a_wrong_flag_is_named_as_a_flag(read):
    with pytest.raises(SettingsError, match=r"^--drain=nan"):
        read("--drain", "nan")


def test_rows_may_be_written_as_any_number(read):
    assert read(CREDIT_PREDICTION_LOG="s3://b/p", CREDIT_PREDICTION_LOG_ROWS="1e4").prediction_log_rows == 10_000


@pytest.mark.parametrize("text", ["soon", "0", "-1", "nan", "inf", "60001"])
def test_a_wrong_timeout_is_named(read, text):
    with pytest.raises(SettingsError, match="CREDIT_ONLINE_TIMEOUT_MS"):
        read(CREDIT_ONLINE_TABLE="t", CREDIT_ONLINE_TIMEOUT_MS=text)


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"CREDIT_PREDICTION_LOG": "/var/log"}, "s3://bucket/predictions"),
        ({"CREDIT_PREDICTION_LOG": "s3://"}, "s3://bucket/predictions"),
        ({"CREDIT_PREDICTION_LOG": "s3://b", "CREDIT_PREDICTION_LOG_ROWS": "many"}, "CREDIT_PREDICTION_LOG_ROWS"),
        ({"CREDIT_PREDICTION_LOG": "s3://b", "CREDIT_PREDICTION_LOG_SECONDS": "0"}, "CREDIT_PREDICTION_LOG_SECONDS"),
        ({"PORT": "http"}, "PORT='http'"),
    ],
)
def test_settings_that_do_not_fit_are_named(read, variables, words):
    with pytest.raises(SettingsError, match=words):
        read(**variables)


@pytest.mark.parametrize("arguments", [["--workers=2"], ["--http_port", "x"], ["other"], ["--max", "3"]])
def test_a_wrong_command_line_ends_with_the_usage(read, arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        read(*arguments)
    assert ended.value.code == 2
    assert "usage: python -m images.serve" in capsys.readouterr().err
