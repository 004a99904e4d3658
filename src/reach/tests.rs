use std::fs;
use std::os::unix::fs::symlink;

use super::*;

fn url(text: &str) -> Url {
    Url::parse(text).unwrap()
}

fn strict() -> Reach {
    Reach::new(Rules::default(), Own::default())
}

#[test]
fn what_is_not_public_is_denied_however_it_is_written() {
    for address in [
        "http://127.0.0.1/",
        "http://2130706433/",
        "http://0177.0.0.1/",
        "http://0x7f.1/",
        "http://169.254.169.254/latest/meta-data/",
        "http://10.1.2.3/",
        "http://172.16.0.1/",
        "http://192.168.1.1/",
        "http://100.64.0.1/",
        "http://0.0.0.0/",
        "http://192.0.2.1/",
        "http://255.255.255.255/",
        "http://[::1]/",
        "http://[::]/",
        "http://[::ffff:127.0.0.1]/",
        "http://[::ffff:8.8.8.8]/",
        "http://[64:ff9b::7f00:1]/",
        "http://[64:ff9b:1::7f00:1]/",
        "http://[2002:7f00:1::]/",
        "http://[2001:0:1::]/",
        "http://[2001:db8::1]/",
        "http://[fe80::1]/",
        "http://[fd00::1]/",
        "http://[ff02::1]/",
        "http://[::7f00:1]/",
        "srt://127.0.0.1:9000",
        "srt://[::1]:9000",
        "rtmp://192.168.0.4/live/a",
        "udp://239.1.1.1:5000",
        "udp://0.0.0.0:5000",
        "rtp://[ff02::1]:5000",
    ] {
        let denied = strict().check(&url(address));
        assert!(matches!(denied, Err(Denied::Address { .. })), "{address}: {denied:?}");
    }
    for address in
        ["http://8.8.8.8/", "http://[2606:4700::1111]/", "srt://93.184.216.34:9000", "https://origin.example/a.m3u8"]
    {
        assert_eq!(strict().check(&url(address)), Ok(()), "{address}");
    }
}

#[test]
fn a_name_is_judged_by_every_address_that_it_has() {
    let pass = strict().of(&url("http://origin.example/"));
    let at = |text: &str| text.parse::<SocketAddr>().unwrap();
    let (public, inner) = (at("93.184.216.34:80"), at("10.0.0.1:80"));
    assert_eq!(pass.allowed("origin.example", [inner, public].into_iter()), Ok(vec![public]));
    assert!(matches!(pass.allowed("origin.example", [inner].into_iter()), Err(Denied::Address { .. })));
    assert!(matches!(pass.allowed("origin.example", [].into_iter()), Err(Denied::Name { .. })));
}

#[test]
fn rules_name_schemes_hosts_networks_and_ports() {
    let rules = Rules {
        schemes: vec!["https", "srt"],
        hosts: ["origin.example", "*.cdn.example", "10.0.0.7"].map(|host| host.parse().unwrap()).to_vec(),
        networks: vec!["10.0.0.0/24".parse().unwrap()],
        ports: vec![443..=443, 9000..=9010],
        media_dirs: Vec::new(),
    };
    let reach = Reach::new(rules, Own::default());
    let check = |text: &str| reach.check(&url(text));
    assert_eq!(check("https://origin.example/a"), Ok(()));
    assert_eq!(check("https://EU.cdn.example/a"), Ok(()));
    assert_eq!(check("srt://10.0.0.7:9001"), Ok(()));
    assert!(matches!(check("http://origin.example/a"), Err(Denied::Scheme { .. })));
    assert!(matches!(check("test://ball"), Err(Denied::Scheme { .. })));
    assert!(matches!(check("https://cdn.example/a"), Err(Denied::Host { .. })), "the suffix alone is not below it");
    assert!(matches!(check("https://evilcdn.example/a"), Err(Denied::Host { .. })));
    assert!(matches!(check("https://10.0.0.8/a"), Err(Denied::Host { .. })));
    assert_eq!(check("srt://origin.example:22"), Err(Denied::Port { port: 22 }));
    assert!("*.".parse::<HostPattern>().is_err() && "a/b".parse::<HostPattern>().is_err());
}

#[test]
fn the_owners_names_are_trusted_and_what_they_lead_to_is_not() {
    let pass = Reach::of_ones_own().of(&url("http://127.0.0.1:8000/a.m3u8"));
    let at = |text: &str| text.parse::<SocketAddr>().unwrap();
    assert_eq!(pass.address("127.0.0.1", at("127.0.0.1:9")), Ok(()));
    assert!(pass.address("169.254.169.254", at("169.254.169.254:80")).is_err());
    assert!(pass.address("localhost", at("127.0.0.1:9")).is_err(), "another name of the same machine");
}

#[test]
fn the_service_itself_is_no_source() {
    let own = ["0.0.0.0:8080", "127.0.0.1:9100"].map(|address| Some(address.parse().unwrap()));
    let reach = Reach::trusting(Rules::default(), own);
    for address in [
        "http://127.0.0.1:8080/v1/play/x/index.m3u8",
        "http://[::ffff:127.0.0.1]:8080/",
        "http://0.0.0.0:8080/",
        "http://127.0.0.1:9100/metrics",
    ] {
        let denied = reach.check(&url(address));
        assert!(matches!(denied, Err(Denied::Itself { .. })), "{address}: {denied:?}");
    }
    assert_eq!(reach.check(&url("http://127.0.0.1:8081/")), Ok(()));
    assert_eq!(reach.check(&url("http://93.184.216.34:8080/")), Ok(()), "another machine");
}

#[test]
fn files_are_those_of_the_media_folders_and_nothing_that_links_lead_to() {
    let dir = tempfile::tempdir().unwrap();
    let (media, secret) = (dir.path().join("media"), dir.path().join("secret"));
    fs::create_dir(&media).unwrap();
    fs::write(&secret, "s").unwrap();
    fs::write(media.join("a.ts"), "a").unwrap();
    symlink("a.ts", media.join("inside")).unwrap();
    symlink(&secret, media.join("outside")).unwrap();
    symlink(dir.path().join("none"), media.join("nowhere")).unwrap();
    symlink("/dev/zero", media.join("zero")).unwrap();
    rustix::fs::mknodat(rustix::fs::CWD, media.join("pipe"), rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    let rules = Rules { media_dirs: vec![media.clone()], ..Rules::default() };
    let pass = Reach::new(rules, Own::default()).of(&url("file:///a"));
    let open = |path: &std::path::Path| pass.open_file(path).map(drop);
    assert_eq!((open(&media.join("a.ts")), open(&media.join("inside"))), (Ok(()), Ok(())));
    for outside in
        [&secret, &media.join("outside"), &media.join("nowhere"), &media.join("zero"), &dir.path().join("none")]
    {
        assert_eq!(open(outside), Err(Denied::Folder), "{}", outside.display());
    }
    assert_eq!(open(&media.join("../secret")), Err(Denied::Folder));
    assert_eq!(open(&media.join("pipe")), Err(Denied::NoFile), "and nobody waits for a writer");
    assert_eq!(open(&media), Err(Denied::NoFile));
    assert!(matches!(open(&media.join("none.ts")), Err(Denied::Unreadable(_))));
    let own = Reach::of_ones_own().of(&url("file:///a"));
    assert!(own.open_file(&secret).is_ok());
    assert_eq!(own.open_file("/dev/zero".as_ref()).map(drop), Err(Denied::NoFile));
}

#[test]
fn a_port_or_a_group_belongs_to_one_owner() {
    let mut claims = Claims::default();
    claims.add(Some("acme"), "one", [&url("udp://0.0.0.0:5000"), &url("srt://0.0.0.0:9000?mode=listener")]);
    claims.add(Some("acme"), "two", [&url("rtp://239.1.1.1:5004"), &url("srt://far.example:9100")]);
    claims.add(None, "reports", [&url("rtp://0.0.0.0:6000?rtcp=1"), &url("srt://far.example:9000?localport=6100")]);
    let taken = |by: Option<&str>| Err(Taken { by: by.map(str::to_owned) });
    let check = |owner, game, text: &str| claims.check(owner, game, &url(text));
    assert_eq!(check(Some("acme"), "one", "udp://0.0.0.0:5000"), Ok(()), "its own");
    assert_eq!(check(Some("acme"), "three", "udp://127.0.0.1:5000"), taken(Some("one")));
    assert_eq!(check(Some("rival"), "three", "rtp://127.0.0.1:5000"), taken(None));
    assert_eq!(
        check(Some("rival"), "one", "udp://0.0.0.0:9000"),
        taken(None),
        "another's game of the same name is another"
    );
    assert_eq!(check(None, "three", "udp://239.1.1.1:5004"), taken(None));
    assert_eq!(check(Some("acme"), "three", "udp://239.1.1.1:5004"), Ok(()), "another programme of the same stream");
    assert_eq!(check(Some("rival"), "three", "udp://239.1.1.2:5004"), Ok(()), "another group");
    assert_eq!(check(Some("rival"), "three", "srt://0.0.0.0:9100?mode=listener"), Ok(()), "a caller claims nothing");
    assert_eq!(check(Some("rival"), "three", "srt://far.example:9000"), Ok(()));
    assert_eq!(check(Some("rival"), "three", "udp://0.0.0.0:6001"), taken(None), "where the reports come");
    assert_eq!(check(Some("rival"), "three", "udp://0.0.0.0:6100"), taken(None), "where a caller calls from");
}
