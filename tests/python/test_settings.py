import json
import os
from dataclasses import fields

import pytest
from metaflow_core.errors import SettingsError
from metaflow_core.settings import SETTINGS, Settings, child_environment, explain, load_settings, require_writable


@pytest.fixture
def home(tmp_path):
    """Writes a configuration file: home(content, profile)."""
    folder = tmp_path / "home" / ".metaflowconfig"

    def write(content, profile=None):
        folder.mkdir(exist_ok=True)
        path = folder / (f"config_{profile}.json" if profile else "config.json")
        path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
        return path

    return write


def source(settings, name):
    return next(row["source"] for row in explain(settings) if row["name"] == name)


def test_table_and_dataclass_have_the_same_names_and_each_has_words():
    assert [setting.name for setting in SETTINGS] == [item.name for item in fields(Settings) if item.name != "sources"]
    assert all(setting.help and setting.wanted and setting.names for setting in SETTINGS)
    variables = [variable for setting in SETTINGS for variable in setting.names]
    assert len(set(variables)) == len(variables)
    assert all(variable.startswith("METAFLOW_") for variable in variables)


def test_defaults(tmp_path):
    settings = load_settings()
    assert settings.datastore == "local"
    assert settings.datastore_root == str(tmp_path / "work" / ".metaflow")
    assert settings.index == "sqlite"
    assert settings.index_path == str(tmp_path / "work" / ".metaflow" / "index.db")
    assert settings.user == "tester"
    assert settings.default_namespace == "user:tester"
    assert settings.max_workers >= 1
    assert settings.max_num_splits == 10_000
    assert settings.debug is False
    assert not os.path.exists(settings.datastore_root)


def test_later_sources_win(home, monkeypatch):
    path = home({"METAFLOW_MAX_WORKERS": 2, "METAFLOW_USER": "file", "max_num_splits": 7})
    assert load_settings().max_workers == 2
    assert load_settings().max_num_splits == 7
    assert source(load_settings(), "max_workers") == f"file {path} METAFLOW_MAX_WORKERS"

    monkeypatch.setenv("METAFLOW_MAX_WORKERS", "3")
    settings = load_settings()
    assert (settings.max_workers, settings.user) == (3, "file")
    assert source(settings, "max_workers") == "environment METAFLOW_MAX_WORKERS"

    settings = load_settings(options={"metaflow.max_workers": 4})
    assert (settings.max_workers, source(settings, "max_workers")) == (4, "option metaflow.max_workers")

    settings = load_settings(options={"max_workers": 4.0}, arguments={"max_workers": 5})
    assert (settings.max_workers, source(settings, "max_workers")) == (5, "argument max_workers")


def test_nothing_is_not_a_value(monkeypatch):
    monkeypatch.setenv("METAFLOW_MAX_NUM_SPLITS", "")
    settings = load_settings(options={"metaflow.max_num_splits": None}, arguments={"max_num_splits": None})
    assert (settings.max_num_splits, source(settings, "max_num_splits")) == (10_000, "default")


class TestDatastoreRoot:
    def test_the_nearest_folder_upwards(self, tmp_path, monkeypatch):
        (tmp_path / "work" / ".metaflow").mkdir()
        below = tmp_path / "work" / "a" / "b"
        below.mkdir(parents=True)
        monkeypatch.chdir(below)
        assert load_settings().datastore_root == str(tmp_path / "work" / ".metaflow")

    def test_a_file_of_that_name_is_not_a_datastore(self, tmp_path, monkeypatch):
        (tmp_path / "work" / ".metaflow").write_text("")
        below = tmp_path / "work" / "a"
        below.mkdir()
        monkeypatch.chdir(below)
        assert load_settings().datastore_root == str(below / ".metaflow")

    def test_from_the_environment(self, tmp_path, monkeypatch):
        monkeypatch.setenv("METAFLOW_DATASTORE_SYSROOT_LOCAL", str(tmp_path / "above"))
        assert load_settings().datastore_root == str(tmp_path / "above" / ".metaflow")
        monkeypatch.setenv("METAFLOW_DATASTORE_ROOT", "~/store")
        settings = load_settings()
        assert settings.datastore_root == str(tmp_path / "home" / "store")
        assert source(settings, "datastore_root") == "environment METAFLOW_DATASTORE_ROOT"

    def test_the_environment_wins_over_the_file_in_either_spelling(self, home, tmp_path, monkeypatch):
        home({"METAFLOW_DATASTORE_ROOT": "/from/file"})
        monkeypatch.setenv("METAFLOW_DATASTORE_SYSROOT_LOCAL", str(tmp_path))
        assert load_settings().datastore_root == str(tmp_path / ".metaflow")

    def test_a_relative_path_is_made_absolute(self, tmp_path):
        assert load_settings(arguments={"datastore_root": "here"}).datastore_root == str(tmp_path / "work" / "here")

    def test_an_address_stays(self):
        assert load_settings(arguments={"datastore_root": "s3://bucket/a/"}).datastore_root == "s3://bucket/a"


class TestWritable:
    def test_missing_folders_are_fine_and_not_made(self, tmp_path):
        settings = load_settings(arguments={"datastore_root": str(tmp_path / "a" / "b")})
        require_writable(settings)
        assert not (tmp_path / "a").exists()

    def test_a_read_only_folder_names_the_variable(self, tmp_path, monkeypatch):
        # Permissions do not bind root, so the answer of the system is given here.
        monkeypatch.setattr(os, "access", lambda path, mode: False)
        with pytest.raises(SettingsError) as raised:
            require_writable(load_settings())
        assert f"the folder '{tmp_path / 'work'}' is not writable" in raised.value.message
        assert "METAFLOW_DATASTORE_ROOT" in raised.value.hint

    def test_a_file_in_the_way(self, tmp_path):
        (tmp_path / "file").write_text("")
        with pytest.raises(SettingsError, match="is a file"):
            require_writable(load_settings(arguments={"datastore_root": str(tmp_path / "file" / "store")}))

    def test_an_address_is_not_a_folder(self):
        require_writable(load_settings(arguments={"datastore_root": "s3://bucket"}))


class TestUser:
    @pytest.mark.parametrize("variable", ["USER", "LOGNAME", "USERNAME"])
    def test_login_variables(self, variable):
        assert load_settings(environ={variable: "ada", "HOME": "/nowhere"}).user == "ada"

    def test_the_password_database_comes_last(self):
        assert load_settings(environ={"HOME": "/nowhere"}).user

    def test_metaflow_user_wins(self):
        settings = load_settings(environ={"METAFLOW_USER": "bob", "USER": "ada", "HOME": "/nowhere"})
        assert (settings.user, settings.default_namespace) == ("bob", "user:bob")


class TestConfigurationFile:
    def test_profile(self, home, monkeypatch):
        home({"METAFLOW_USER": "plain"})
        path = home({"METAFLOW_USER": "special"}, profile="work")
        monkeypatch.setenv("METAFLOW_PROFILE", "work")
        settings = load_settings()
        assert (settings.user, settings.profile) == ("special", "work")
        assert source(settings, "user") == f"file {path} METAFLOW_USER"

    def test_home(self, tmp_path, monkeypatch):
        (tmp_path / "config.json").write_text('{"METAFLOW_USER": "there"}')
        monkeypatch.setenv("METAFLOW_HOME", str(tmp_path))
        assert load_settings().user == "there"

    def test_a_missing_profile_is_an_error(self, monkeypatch):
        monkeypatch.setenv("METAFLOW_PROFILE", "work")
        with pytest.raises(SettingsError, match="config_work.json' does not exist"):
            load_settings()

    @pytest.mark.parametrize("profile", ["../x", "a/b", "..", " "])
    def test_a_profile_is_a_name_not_a_path(self, profile):
        with pytest.raises(SettingsError, match="argument profile must be a name"):
            load_settings(arguments={"profile": profile})

    @pytest.mark.parametrize(
        ("content", "reason"),
        [
            ('{"METAFLOW_USER": }', "line 1, column 19: Expecting value"),
            ("", "line 1, column 1: Expecting value"),
            ("[1]", "it must hold one JSON object"),
            ('{"METAFLOW_USER": "a"} x', "line 1, column 24: Extra data"),
        ],
    )
    def test_a_malformed_file_is_one_clear_error(self, home, content, reason):
        path = home(content)
        with pytest.raises(SettingsError) as raised:
            load_settings()
        assert str(path) in raised.value.message
        assert reason in raised.value.message
        assert raised.value.data == {"path": str(path)}

    def test_not_utf8(self, home):
        path = home("{}")
        path.write_bytes(b'{"METAFLOW_USER": "\xff"}')
        with pytest.raises(SettingsError, match="not UTF-8"):
            load_settings()

    def test_a_folder_in_its_place(self, home):
        path = home("{}")
        path.unlink()
        path.mkdir()
        with pytest.raises(SettingsError, match="cannot be read"):
            load_settings()

    def test_settings_of_other_programs_are_left_alone(self, home):
        home({"METAFLOW_BATCH_JOB_QUEUE": "queue", "METAFLOW_HOME": "/elsewhere", "METAFLOW_PROFILE": "other"})
        settings = load_settings()
        assert settings.profile is None
        assert settings.home != "/elsewhere"

    def test_a_bad_value_names_the_file(self, home):
        path = home({"METAFLOW_MAX_WORKERS": "many"})
        with pytest.raises(SettingsError) as raised:
            load_settings()
        assert raised.value.message == (
            f"'METAFLOW_MAX_WORKERS' in the configuration file '{path}' must be a whole number from 1, not 'many'"
        )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_workers", 0),
        ("max_workers", 1.5),
        ("max_workers", "x"),
        ("max_workers", True),
        ("max_workers", [1]),
        ("max_num_splits", -1),
        ("debug", "perhaps"),
        ("isolation", "thread"),
        ("datastore", ""),
        ("datastore", 3),
        ("package_suffixes", [1]),
        ("package_max_megabytes", "inf"),
        ("package_max_megabytes", 0),
        ("user", " "),
    ],
)
def test_bad_values(name, value):
    with pytest.raises(SettingsError) as raised:
        load_settings(arguments={name: value})
    assert raised.value.message.startswith(f"argument {name} must be ")
    assert raised.value.data == {"name": name}


@pytest.mark.parametrize(
    ("name", "value", "read"),
    [
        ("max_workers", "8", 8),
        ("debug", "1", True),
        ("debug", "FALSE", False),
        ("debug", True, True),
        ("package_suffixes", ".R, csv", (".R", ".csv")),
        ("package_suffixes", ["R"], (".R",)),
        ("package_max_megabytes", "0.5", 0.5),
        ("isolation", "fresh", "fresh"),
    ],
)
def test_good_values(name, value, read):
    assert getattr(load_settings(arguments={name: value}), name) == read


def test_an_unknown_argument_suggests_the_near_one():
    with pytest.raises(SettingsError) as raised:
        load_settings(arguments={"max_worker": 3})
    assert raised.value.hint == "Did you mean 'max_workers'?"


def test_options_of_the_r_side_are_left_alone():
    assert load_settings(options={"metaflow.color": "red", "other": 1}).debug is False


def test_explain_hides_passwords():
    settings = load_settings(arguments={"index": "postgresql://ada:geheim@host:5432/db"})
    rows = {row["name"]: row for row in explain(settings)}
    assert rows["index"]["value"] == "postgresql://ada:<hidden>@host:5432/db"
    assert "geheim" not in json.dumps(list(rows.values()))
    assert rows["package_suffixes"]["value"][0] == ".R"
    assert all(row["source"] and row["help"] for row in rows.values())


def test_an_error_hides_passwords():
    with pytest.raises(SettingsError) as raised:
        load_settings(arguments={"max_workers": "postgresql://ada:geheim@host"})
    assert "geheim" not in raised.value.message


def test_child_environment(monkeypatch):
    monkeypatch.setenv("KEPT", "1")
    monkeypatch.setenv("REMOVED", "1")
    environment = child_environment({"REMOVED": None, "ADDED": "2", "NEVER_THERE": None})
    assert (environment["KEPT"], environment["ADDED"]) == ("1", "2")
    assert "REMOVED" not in environment
    assert os.environ["REMOVED"] == "1"


def test_the_index_of_a_shared_directory_is_on_this_machine(tmp_path):
    from metaflow_core.settings import _on_network

    mounts = tmp_path / "mounts"
    mounts.write_text(
        "/dev/sda / ext4 rw 0 0\nserver:/x /shared nfs4 rw 0 0\nserver:/y /with\\040blank fuse.glusterfs rw 0 0\n"
        "/dev/sdb /shared/local xfs rw 0 0\n"
    )
    shared = [
        _on_network(folder, str(mounts)) for folder in ("/shared/store", "/with blank/a", "/shared/local/a", "/a")
    ]
    assert shared == [True, True, False, False]
