//! The `nfs` scraper: `/proc/net/rpc/nfs` of the client and `/proc/net/rpc/nfsd` of the server.

use super::emitter::{Emitter, HostScraper};
use super::host::Host;
use super::parse::{fields, lines, number};
use crate::metric_table;
use crate::otlp::{KeyValue, Str};
use crate::receivers::scraper::{Fault, Run};
use crate::receivers::switches::Switches;

metric_table! {
    pub enum NfsMetric {
        ClientNetCount: Gauge Int on "system.nfs.net.count" "{request}" []
            "Reports the count of kernel NFS client network requests handled";
        ClientNetUdpCount: Gauge Int on "system.nfs.net.udp.count" "{datagram}" []
            "Reports the count of kernel NFS client UDP datagrams handled";
        ClientNetTcpCount: Gauge Int on "system.nfs.net.tcp.count" "{segment}" []
            "Reports the count of kernel NFS client TCP segments handled";
        ClientNetTcpConnectionCount: Gauge Int on "system.nfs.net.tcp.connection.count" "{connection}" []
            "Reports the count of kernel NFS client TCP connections accepted";
        ClientRpcCount: Gauge Int on "system.nfs.rpc.count" "{request}" []
            "Reports the count of kernel NFS client RPCs handled";
        ClientRpcRetransmitCount: Gauge Int on "system.nfs.rpc.retransmit.count" "{retransmit}" []
            "Reports the count of kernel NFS client RPC retransmits";
        ClientRpcAuthrefreshCount: Gauge Int on "system.nfs.rpc.authrefresh.count" "{authrefresh}" []
            "Reports the count of kernel NFS client RPC authentication refreshes";
        ClientProcedureCount: Gauge Int on "system.nfs.procedure.count" "{procedure}" ["rpc.onc.version", "rpc.onc.procedure.name"]
            "Reports the count of kernel NFS client procedures";
        ClientOperationCount: Gauge Int on "system.nfs.operation.count" "{procedure}" ["rpc.onc.version", "rpc.nfs.operation.name"]
            "Reports the count of kernel NFSv4+ client operations";
        ServerRepcacheHits: Gauge Int on "system.nfsd.repcache.hits" "{hit}" []
            "Reports the kernel NFS server request reply cache hit count";
        ServerRepcacheMisses: Gauge Int on "system.nfsd.repcache.misses" "{miss}" []
            "Reports the kernel NFS server request reply cache miss count";
        ServerRepcacheNocache: Gauge Int on "system.nfsd.repcache.nocache" "{miss}" []
            "Reports the count of kernel NFS server request replies that are uncacheable";
        ServerFhStaleCount: Gauge Int on "system.nfsd.fh.stale.count" "{fh}" []
            "Reports the count of kernel NFS server stale file handles";
        ServerIoReadCount: Gauge Int on "system.nfsd.io.read.count" "By" []
            "Reports the count of kernel NFS server bytes returned to read requests";
        ServerIoWriteCount: Gauge Int on "system.nfsd.io.write.count" "By" []
            "Reports the count of kernel NFS server bytes passed to write requests";
        ServerThreadCount: Gauge Int on "system.nfsd.thread.count" "{thread}" []
            "Reports the count of kernel NFS server available threads";
        ServerNetCount: Gauge Int on "system.nfsd.net.count" "{request}" []
            "Reports the count of kernel NFS server network requests handled";
        ServerNetUdpCount: Gauge Int on "system.nfsd.net.udp.count" "{datagram}" []
            "Reports the count of kernel NFS server UDP datagrams handled";
        ServerNetTcpCount: Gauge Int on "system.nfsd.net.tcp.count" "{segment}" []
            "Reports the count of kernel NFS server TCP segments handled";
        ServerNetTcpConnectionCount: Gauge Int on "system.nfsd.net.tcp.connection.count" "{connection}" []
            "Reports the count of kernel NFS server TCP connections accepted";
        ServerRpcCount: Gauge Int on "system.nfsd.rpc.count" "{request}" []
            "Reports the count of kernel NFS server RPCs handled";
        ServerRpcBadCount: Gauge Int on "system.nfsd.rpc.bad.count" "{request}" []
            "Reports the total count of kernel NFS server bad RPCs";
        ServerRpcBadfmtCount: Gauge Int on "system.nfsd.rpc.badfmt.count" "{request}" []
            "Reports the total count of kernel NFS server badly formatted RPCs";
        ServerRpcBadauthCount: Gauge Int on "system.nfsd.rpc.badauth.count" "{request}" []
            "Reports the total count of kernel NFS server badly authenticated RPCs";
        ServerRpcBadclientCount: Gauge Int on "system.nfsd.rpc.badclient.count" "{request}" []
            "Reports the total count of kernel NFS server unauthorized client RPCs";
        ServerProcedureCount: Gauge Int on "system.nfsd.procedure.count" "{procedure}" ["rpc.onc.version", "rpc.onc.procedure.name"]
            "Reports the count of kernel NFS client procedures";
        ServerOperationCount: Gauge Int on "system.nfsd.operation.count" "{operation}" ["rpc.onc.version", "rpc.nfs.operation.name"]
            "Reports the count of kernel NFSv4+ server operations";
    }
}

/// Procedures of NFS version 3 by number (RFC 1813).
const PROCEDURES_3: &[&str] = &[
    "NULL",
    "GETATTR",
    "SETATTR",
    "LOOKUP",
    "ACCESS",
    "READLINK",
    "READ",
    "WRITE",
    "CREATE",
    "MKDIR",
    "SYMLINK",
    "MKNOD",
    "REMOVE",
    "RMDIR",
    "RENAME",
    "LINK",
    "READDIR",
    "READDIRPLUS",
    "FSSTAT",
    "FSINFO",
    "PATHCONF",
    "COMMIT",
];

/// Procedures of NFS version 4: all its operations travel in one.
const PROCEDURES_4: &[&str] = &["NULL", "COMPOUND"];

/// What the client counts for version 4, in the kernel's own order.
const CLIENT_OPERATIONS: &[&str] = &[
    "NULL",
    "READ",
    "WRITE",
    "COMMIT",
    "OPEN",
    "OPEN_CONFIRM",
    "OPEN_NOATTR",
    "OPEN_DOWNGRADE",
    "CLOSE",
    "SETATTR",
    "FSINFO",
    "RENEW",
    "SETCLIENTID",
    "SETCLIENTID_CONFIRM",
    "LOCK",
    "LOCKT",
    "LOCKU",
    "ACCESS",
    "GETATTR",
    "LOOKUP",
    "LOOKUP_ROOT",
    "REMOVE",
    "RENAME",
    "LINK",
    "SYMLINK",
    "CREATE",
    "PATHCONF",
    "STATFS",
    "READLINK",
    "READDIR",
    "SERVER_CAPS",
    "DELEGRETURN",
    "GETACL",
    "SETACL",
    "FS_LOCATIONS",
    "RELEASE_LOCKOWNER",
    "SECINFO",
    "FSID_PRESENT",
    "EXCHANGE_ID",
    "CREATE_SESSION",
    "DESTROY_SESSION",
    "SEQUENCE",
    "GET_LEASE_TIME",
    "RECLAIM_COMPLETE",
    "LAYOUTGET",
    "GETDEVICEINFO",
    "LAYOUTCOMMIT",
    "LAYOUTRETURN",
    "SECINFO_NO_NAME",
    "TEST_STATEID",
    "FREE_STATEID",
    "GETDEVICELIST",
    "BIND_CONN_TO_SESSION",
    "DESTROY_CLIENTID",
    "SEEK",
    "ALLOCATE",
    "DEALLOCATE",
    "LAYOUTSTATS",
    "CLONE",
    "COPY",
    "OFFLOAD_CANCEL",
    "LOOKUPP",
    "LAYOUTERROR",
    "COPY_NOTIFY",
    "GETXATTR",
    "SETXATTR",
    "LISTXATTRS",
    "REMOVEXATTR",
    "READ_PLUS",
];

/// Operations of NFS version 4 by number (RFC 7530, 8881, 7862 and 8276); the first three are none.
const SERVER_OPERATIONS: &[&str] = &[
    "",
    "",
    "",
    "ACCESS",
    "CLOSE",
    "COMMIT",
    "CREATE",
    "DELEGPURGE",
    "DELEGRETURN",
    "GETATTR",
    "GETFH",
    "LINK",
    "LOCK",
    "LOCKT",
    "LOCKU",
    "LOOKUP",
    "LOOKUPP",
    "NVERIFY",
    "OPEN",
    "OPENATTR",
    "OPEN_CONFIRM",
    "OPEN_DOWNGRADE",
    "PUTFH",
    "PUTPUBFH",
    "PUTROOTFH",
    "READ",
    "READDIR",
    "READLINK",
    "REMOVE",
    "RENAME",
    "RENEW",
    "RESTOREFH",
    "SAVEFH",
    "SECINFO",
    "SETATTR",
    "SETCLIENTID",
    "SETCLIENTID_CONFIRM",
    "VERIFY",
    "WRITE",
    "RELEASE_LOCKOWNER",
    "BACKCHANNEL_CTL",
    "BIND_CONN_TO_SESSION",
    "EXCHANGE_ID",
    "CREATE_SESSION",
    "DESTROY_SESSION",
    "FREE_STATEID",
    "GET_DIR_DELEGATION",
    "GETDEVICEINFO",
    "GETDEVICELIST",
    "LAYOUTCOMMIT",
    "LAYOUTGET",
    "LAYOUTRETURN",
    "SECINFO_NO_NAME",
    "SEQUENCE",
    "SET_SSV",
    "TEST_STATEID",
    "WANT_DELEGATION",
    "DESTROY_CLIENTID",
    "RECLAIM_COMPLETE",
    "ALLOCATE",
    "COPY",
    "COPY_NOTIFY",
    "DEALLOCATE",
    "IO_ADVISE",
    "LAYOUTERROR",
    "LAYOUTSTATS",
    "OFFLOAD_CANCEL",
    "OFFLOAD_STATUS",
    "READ_PLUS",
    "SEEK",
    "WRITE_SAME",
    "CLONE",
    "GETXATTR",
    "SETXATTR",
    "LISTXATTRS",
    "REMOVEXATTR",
];

/// What a line of the two files holds.
enum Line {
    /// One metric per number, in order.
    Numbers(&'static [NfsMetric]),
    /// How many numbers, then one per procedure or operation.
    Calls { metric: NfsMetric, name_key: &'static str, version: &'static str, names: &'static [&'static str] },
}

/// What the line that starts with a word holds.
type Known = fn(&[u8]) -> Option<Line>;

const fn procedures(metric: NfsMetric, version: &'static str, names: &'static [&'static str]) -> Line {
    Line::Calls { metric, name_key: "rpc.onc.procedure.name", version, names }
}

const fn operations(metric: NfsMetric, names: &'static [&'static str]) -> Line {
    Line::Calls { metric, name_key: "rpc.nfs.operation.name", version: "4", names }
}

fn client_line(key: &[u8]) -> Option<Line> {
    use NfsMetric::{
        ClientNetCount, ClientNetTcpConnectionCount, ClientNetTcpCount, ClientNetUdpCount,
        ClientOperationCount, ClientProcedureCount, ClientRpcAuthrefreshCount, ClientRpcCount,
        ClientRpcRetransmitCount,
    };
    Some(match key {
        b"net" => Line::Numbers(&[
            ClientNetCount,
            ClientNetUdpCount,
            ClientNetTcpCount,
            ClientNetTcpConnectionCount,
        ]),
        b"rpc" => Line::Numbers(&[ClientRpcCount, ClientRpcRetransmitCount, ClientRpcAuthrefreshCount]),
        b"proc3" => procedures(ClientProcedureCount, "3", PROCEDURES_3),
        b"proc4" => operations(ClientOperationCount, CLIENT_OPERATIONS),
        _ => return None,
    })
}

fn server_line(key: &[u8]) -> Option<Line> {
    use NfsMetric::{
        ServerFhStaleCount, ServerIoReadCount, ServerIoWriteCount, ServerNetCount,
        ServerNetTcpConnectionCount, ServerNetTcpCount, ServerNetUdpCount, ServerOperationCount,
        ServerProcedureCount, ServerRepcacheHits, ServerRepcacheMisses, ServerRepcacheNocache,
        ServerRpcBadCount, ServerRpcBadauthCount, ServerRpcBadclientCount, ServerRpcBadfmtCount,
        ServerRpcCount, ServerThreadCount,
    };
    Some(match key {
        b"rc" => Line::Numbers(&[ServerRepcacheHits, ServerRepcacheMisses, ServerRepcacheNocache]),
        b"fh" => Line::Numbers(&[ServerFhStaleCount]),
        b"io" => Line::Numbers(&[ServerIoReadCount, ServerIoWriteCount]),
        b"th" => Line::Numbers(&[ServerThreadCount]),
        b"net" => Line::Numbers(&[
            ServerNetCount,
            ServerNetUdpCount,
            ServerNetTcpCount,
            ServerNetTcpConnectionCount,
        ]),
        b"rpc" => Line::Numbers(&[
            ServerRpcCount,
            ServerRpcBadCount,
            ServerRpcBadfmtCount,
            ServerRpcBadauthCount,
            ServerRpcBadclientCount,
        ]),
        b"proc3" => procedures(ServerProcedureCount, "3", PROCEDURES_3),
        b"proc4" => procedures(ServerProcedureCount, "4", PROCEDURES_4),
        b"proc4ops" => operations(ServerOperationCount, SERVER_OPERATIONS),
        _ => return None,
    })
}

pub struct Nfs {
    emitter: Emitter<NfsMetric>,
}

impl Nfs {
    pub fn new(switches: &Switches, version: &str) -> Self {
        Self { emitter: Emitter::new("nfs", switches, version) }
    }

    fn record(&mut self, text: &[u8], known: Known) {
        for line in lines(text) {
            let mut fields = fields(line);
            let Some(line) = fields.next().and_then(known) else { continue };
            let numbers = fields.map_while(number);
            match line {
                Line::Numbers(metrics) => {
                    for (metric, value) in metrics.iter().zip(numbers) {
                        self.emitter.points.int(*metric, [], value);
                    }
                }
                Line::Calls { metric, name_key, version, names } => {
                    for (name, calls) in
                        names.iter().zip(numbers.skip(1)).filter(|(name, _)| !name.is_empty())
                    {
                        let attributes = [
                            KeyValue::fixed("rpc.onc.version", Str::const_new(version)),
                            KeyValue::fixed(name_key, Str::const_new(name)),
                        ];
                        self.emitter.points.int(metric, attributes, calls);
                    }
                }
            }
        }
    }
}

impl HostScraper for Nfs {
    fn scrape(&mut self, host: &mut Host, run: &mut Run<'_>) -> Result<(), Fault> {
        self.emitter.begin(host, run);
        let files: [(&str, Known); 2] = [("net/rpc/nfs", client_line), ("net/rpc/nfsd", server_line)];
        for (file, known) in files {
            match host.read(file) {
                Ok(text) => self.record(text, known),
                // A host without NFS has nothing to tell.
                Err(fault) if fault.cause.is_not_found() => {}
                Err(fault) => run.fault(fault.cause, 1, || fault.message),
            }
        }
        self.emitter.push(Vec::new(), run);
        Ok(())
    }
}
