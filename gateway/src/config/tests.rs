//! What the configuration takes and refuses.

use super::*;

fn read(text: &str) -> Result<Config, String> {
    Config::from_text(text, "gateway.toml", Vec::new()).map_err(|error| error.to_string())
}

fn read_with(text: &str, variables: &[(&str, &str)]) -> Result<Config, String> {
    let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Config::from_text(text, "gateway.toml", variables).map_err(|error| error.to_string())
}

#[test]
fn the_default_text_says_the_defaults() {
    assert_eq!(read(&default_text()), Ok(Config::default()));
    assert_eq!(read(""), Ok(Config::default()));
}

#[test]
fn the_default_text_names_every_option() {
    let mut all = Config { cores: Some(1), ..Config::default() };
    all.tls = Tls { certificate: Some("c".into()), key: Some("k".into()) };
    all.auth.url = Some("http://localhost".into());
    all.auth.ca = Some("ca.pem".into());
    let table: toml::Table = toml::from_str(&toml::to_string(&all).unwrap()).unwrap();
    let mut keys: Vec<String> = table.keys().cloned().collect();
    for section in ["tls", "auth", "socketio", "limits"] {
        keys.extend(table[section].as_table().unwrap().keys().cloned());
    }
    let text = default_text();
    for key in keys {
        let named =
            text.lines().any(|line| line.trim_start_matches(['#', ' ', '[']).starts_with(key.as_str()));
        assert!(named, "{key} is not in the default text");
    }
}

#[test]
fn reads_the_example_of_the_interface() {
    let config = read(
        r#"
        data_dir = "d"
        cores = 2
        [[listen]]
        protocol = "mqtt"
        address = "0.0.0.0:1883"
        [[listen]]
        protocol = "http"
        address = "[::1]:8080"
        serves = ["agents"]
        [tls]
        certificate = "cert.pem"
        key = "key.pem"
        [auth]
        mode = "keys"
        url = "http://127.0.0.1:9000/validate"
        [limits]
        command_grace_ms = 500
        "#,
    )
    .unwrap();
    assert_eq!(config.core_count(), 2);
    assert_eq!(config.listen[0], Listen::mqtt("0.0.0.0:1883".parse().unwrap()));
    assert_eq!(config.listen[1].serves, Serves { agents: true, ..Serves::default() });
    assert_eq!(config.limits.command_grace_ms, 500);
    assert_eq!(config.limits.commands_in_flight_per_agent, 100);
}

#[test]
fn names_the_line_of_an_unknown_key() {
    for (text, line, key) in [
        ("data_dir = \"d\"\ncolour = 1\n", "line 2", "colour"),
        ("[limits]\n\ncommand_grace = 5\n", "line 3", "command_grace"),
        ("[[listen]]\nprotocol = \"mqtt\"\naddress = \"127.0.0.1:1\"\nport = 5\n", "line 4", "port"),
        ("[auth]\nmode = \"keys\"\nkey = \"x\"\n", "line 3", "key"),
    ] {
        let complaint = read(text).unwrap_err();
        assert!(complaint.contains(line) && complaint.contains(key), "{complaint}");
        assert!(complaint.starts_with("gateway.toml: "), "{complaint}");
    }
}

#[test]
fn refuses_what_it_cannot_serve_with_a_sentence() {
    let listen = |rest: &str| format!("[[listen]]\nprotocol = \"http\"\naddress = \"127.0.0.1:80\"\n{rest}");
    for (text, sentence) in [
        (listen("tls = true\n"), "listen 0: tls = true needs [tls] with certificate and key"),
        (listen("serves = []\n"), "serves is empty"),
        (
            listen("mqtt_inflight_to_device = 65\n"),
            "listen 0: limits.mqtt_inflight_to_device = 65: it must lie between",
        ),
        (listen("serves = [\"devils\"]\n"), "unknown variant `devils`"),
        (listen("") + &listen(""), "127.0.0.1:80 is taken"),
        (
            listen("").replace(":80", ":0").repeat(257),
            "there are 257 [[listen]], and there may be at most 256",
        ),
        ("[auth]\nmode = \"http\"\n".into(), "needs auth.url"),
        ("[auth]\nmode = \"http\"\nurl = \"ftp://host/\"\n".into(), "http://HOST"),
        ("[auth]\nmode = \"http\"\nurl = \"host:9000\"\n".into(), "http://HOST"),
        (
            "[auth]\nmode = \"http\"\nurl = \"http://h/\"\nca = \"ca.pem\"\n".into(),
            "auth.ca is for a service with https",
        ),
        ("[auth]\ntimeout_ms = 0\n".into(), "timeout_ms must be at least 1"),
        ("[auth]\ncache_ms = 99999999\n".into(), "cache_ms must be at most"),
        ("cores = 0\n".into(), "cores must lie between 1"),
        ("listen = []\n".into(), "nobody could connect"),
        ("data_dir = \"\"\n".into(), "data_dir must not be empty"),
        ("[limits]\nmqtt_inflight_to_device = 0\n".into(), "must lie between 1 and 64"),
        ("[[listen]]\nprotocol = \"mqtt\"\naddress = \"localhost\"\n".into(), "is not IP:PORT"),
        (
            "[[listen]]\nprotocol = \"mqtt\"\naddress = \"[::]:1\"\nserves = [\"agents\"]\n".into(),
            "`serves` belongs to http listeners",
        ),
    ] {
        let complaint = read(&text).unwrap_err();
        assert!(complaint.contains(sentence), "{complaint:?} does not say {sentence:?}");
    }
}

#[test]
fn takes_origins_as_browsers_write_them() {
    let of = |list: &str| {
        read(&format!("[socketio]\ncors_origins = {list}")).map(|config| config.socketio.cors_origins)
    };
    for list in [
        r#"["*"]"#,
        "[]",
        r#"["https://shop.example", "http://localhost:3000", "http://[::1]:80", "app+x://a"]"#,
    ] {
        assert!(of(list).is_ok(), "{list}");
    }
    for list in [
        r#"["shop.example"]"#,
        r#"["https://shop.example/"]"#,
        r#"["https://*.shop.example"]"#,
        r#"["https://"]"#,
        r#"["null"]"#,
    ] {
        assert!(of(list).is_err_and(|error| error.contains("socketio.cors_origins")), "{list}");
    }
    let config =
        read_with("", &[("GATEWAY__SOCKETIO__CORS_ORIGINS", "https://a.example, https://b.example")]);
    assert_eq!(config.map(|config| config.socketio.cors_origins.len()), Ok(2));
}

#[test]
fn the_environment_goes_over_the_file() {
    let config = read_with(
        "data_dir = \"d\"\n[limits]\ncommand_grace_ms = 1\n",
        &[
            ("GATEWAY__DATA_DIR", "e"),
            ("GATEWAY__CORES", "3"),
            ("GATEWAY__LISTEN__0__ADDRESS", "0.0.0.0:1884"),
            ("GATEWAY__LISTEN__1__SERVES", "agents, operator"),
            ("GATEWAY__LISTEN__2__TLS", "false"),
            ("GATEWAY__LISTEN__2__MQTT_INFLIGHT_TO_DEVICE", "20"),
            ("GATEWAY__LISTEN__2__PROTOCOL", "mqtt"),
            ("GATEWAY__LISTEN__2__ADDRESS", "[::1]:1885"),
            ("GATEWAY__LIMITS__COMMAND_GRACE_MS", "5_000"),
            ("GATEWAY__AUTH__CACHE_MS", "7"),
        ],
    )
    .unwrap();
    assert_eq!(config.data_dir, PathBuf::from("e"));
    assert_eq!(config.cores, Some(3));
    assert_eq!(config.listen[0], Listen::mqtt("0.0.0.0:1884".parse().unwrap()));
    assert_eq!(config.listen[1].serves, Serves { devices: false, agents: true, operator: true });
    let third = Listen::mqtt("[::1]:1885".parse().unwrap());
    assert_eq!(config.listen[2], Listen { mqtt_inflight_to_device: Some(20), ..third });
    assert_eq!((config.limits.command_grace_ms, config.auth.cache_ms), (5000, 7));
}

#[test]
fn refuses_variables_that_name_nothing_or_say_nonsense() {
    for (name, value, sentence) in [
        ("GATEWAY__COLOUR", "1", "there is no such option"),
        ("GATEWAY__LIMITS__COLOUR", "1", "there is no such option"),
        ("GATEWAY__CORES", "many", "is not a whole number"),
        ("GATEWAY__LISTEN__0__TLS", "maybe", "is not true or false"),
        ("GATEWAY__LISTEN__9__ADDRESS", "[::]:1", "there are 2 listeners"),
        ("GATEWAY__LISTEN__X__ADDRESS", "[::]:1", "\"x\" is not a number"),
        ("GATEWAY__LISTEN__2__ADDRESS", "[::]:1", "missing field `protocol`"),
        ("GATEWAY__AUTH__MODE", "trust", "unknown variant `trust`"),
        ("GATEWAY__LIMITS__MQTT_INFLIGHT_TO_DEVICE", "70000", "70000"),
    ] {
        let complaint = read_with("", &[(name, value)]).unwrap_err();
        assert!(complaint.contains(sentence), "{complaint:?} does not say {sentence:?}");
    }
}

#[test]
fn prints_what_it_reads_back() {
    let config = read_with("", &[("GATEWAY__CORES", "2"), ("GATEWAY__LISTEN__1__SERVES", "agents")]).unwrap();
    assert_eq!(read(&config.print()), Ok(config));
}

#[test]
fn prints_no_secret() {
    let mut config = Config::default();
    for (url, shown) in [
        ("http://user:secret@host:9000/validate", "http://***@host:9000/validate"),
        ("http://host/validate?token=secret", "http://host/validate?***"),
        ("http://host", "http://host"),
        ("secret@host", "http://***@host"),
    ] {
        config.auth.url = Some(url.to_owned());
        let printed = config.print();
        assert!(printed.contains(&format!("url = \"{shown}\"")), "{printed}");
        assert!(!printed.contains("secret"), "{printed}");
    }
}
