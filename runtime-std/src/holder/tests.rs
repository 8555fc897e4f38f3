//! What stands in the lists of the kernel, and who is behind it.

use super::*;

#[test]
fn the_holder_of_a_real_socket_is_this_process() {
    let me = std::process::id();
    for local in ["127.0.0.1:0", "[::1]:0"] {
        let socket = std::net::UdpSocket::bind(local).unwrap();
        let address = socket.local_addr().unwrap();
        // Others may open sockets of this port while the list is read, on other addresses,
        // and on this one as soon as it is free.
        let found = held(Outer::Udp, address);
        let ours = found
            .iter()
            .find(|held| held.address == address && holder(held).is_some_and(|it| it.pid == me));
        let ours = *ours.unwrap_or_else(|| panic!("{address}: {found:?}"));
        assert!(!holder(&ours).unwrap().name.is_empty());
        drop(socket);
        assert!(!held(Outer::Udp, address).contains(&ours));
        assert_eq!(holder(&ours), None);
    }
}

/// Lists of sockets at these addresses of IPv4, in the kernel's form.
fn list(sockets: &[(&str, u64)]) -> String {
    let mut list = "  sl  local_address rem_address   st tx_queue rx_queue …\n".to_owned();
    for (address, inode) in sockets {
        let address: std::net::SocketAddrV4 = address.parse().unwrap();
        let ip = u32::from_ne_bytes(address.ip().octets());
        list += &format!(
            " 7: {ip:08X}:{:04X} 00000000:0000 07 00000000:00000000 00:00000000 00000000 \
             0 0 {inode} 2 0000000000000000 0\n",
            address.port()
        );
    }
    list
}

#[test]
fn a_line_that_the_kernel_gives_twice_or_not_at_all_does_not_matter() {
    let address = "192.0.2.1:500".parse().unwrap();
    let ours = [("192.0.2.1:4500", 4), ("192.0.2.2:500", 5), ("192.0.2.1:500", 6)];
    let mut readings = 0;
    let found = held_in(
        |name| {
            readings += usize::from(name == "/proc/net/udp");
            match (name, readings) {
                ("/proc/net/udp", 1 | 2) => list(&ours[..2]),
                ("/proc/net/udp", _) => list(&[ours[2], ours[0], ours[2]]),
                _ => list(&[]),
            }
        },
        address,
    );
    assert_eq!(found, [Held { address, inode: 6 }]);
    assert_eq!(readings, 3, "what is found is enough");
}

#[test]
fn a_port_that_nobody_holds_is_looked_for_a_few_times_only() {
    let mut readings = 0;
    let nobody = held_in(
        |_| {
            readings += 1;
            list(&[("192.0.2.1:4500", 4)])
        },
        "192.0.2.1:500".parse().unwrap(),
    );
    assert!(nobody.is_empty());
    assert_eq!(readings, 2 * READINGS);
    assert!(held(Outer::Esp, "0.0.0.0:0".parse().unwrap()).is_empty());
}

#[test]
fn addresses_collide_when_one_holds_the_other() {
    let held = |ip: &str| Held { address: (ip.parse::<IpAddr>().unwrap(), 500).into(), inode: 1 };
    assert!(Held { address: ([0; 4], 1701).into(), inode: 0 }.is_kernel());
    let wanted = |ip: &str| SocketAddr::new(ip.parse().unwrap(), 500);
    assert!(collides(&held("0.0.0.0"), wanted("192.0.2.1")));
    assert!(collides(&held("192.0.2.1"), wanted("0.0.0.0")));
    assert!(collides(&held("::"), wanted("0.0.0.0")));
    assert!(!collides(&held("192.0.2.1"), wanted("192.0.2.2")));
    assert!(!collides(&held("0.0.0.0"), wanted("::")));
}

#[test]
fn a_service_is_named_by_its_control_group() {
    assert_eq!(
        unit("0::/system.slice/strongswan-starter.service\n").as_deref(),
        Some("strongswan-starter.service")
    );
    assert_eq!(unit("0::/user.slice/user-0.slice/user@0.service/app.slice\n"), None);
    assert_eq!(unit("0::/\n"), None);
    let name = "charon".to_owned();
    let mut holder = Holder { name, pid: 7, unit: Some("strongswan-starter.service".into()) };
    assert_eq!(holder.to_string(), "charon (pid 7)");
    assert_eq!(holder.remedy(), "systemctl disable --now strongswan-starter.service");
    holder.unit = None;
    assert_eq!(holder.remedy(), "stop it: kill 7");
}
