import Crypto
import CustodyDomain
import CustodyStore
import CustodyWire
import Foundation
import TestSupport
import Testing

extension EndToEndTests {
    /// How much memory a worker takes for a bill that is larger than what it may take.
    @Suite struct FetchMemoryTests {
        /// Resident memory that a worker may have at most, in KiB, and how long the bill is, in lines of 40 KiB.
        private static let (bound, lines) = (100 << 10, 4000)

        @Test func `a worker fetches a bill of 160 MiB in less than 100 MiB`() async throws {
            let folder = FileManager.default.temporaryDirectory.appending(path: "custody-\(UUID().uuidString)")
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
            defer { try? FileManager.default.removeItem(at: folder) }
            let (path, sha1) = try Self.writeBill(in: folder)
            let desk = try BillDesk()
            defer { desk.close() }
            desk.answer(.file(.init(path: path, sha1: sha1)))
            try await TestStore.withFresh { test in
                let world = World(test: test, tenantID: try await test.freshTenant())
                let date = try await world.run { tx in
                    try await tx.setLink(.weChatPay, configuration: desk.link())
                    try await tx.enqueue(JobRequest(.fetchStatement, "wechat_pay/trade/\(tx.today.iso)"))
                    return tx.today
                }
                let spool = folder.appending(path: "spool")
                let worker = try CustodyProcess(
                    [
                        "work", "--database-url", CustodyProcess.url(try await test.configuration(.superuser)),
                        "--spool-directory", spool.path, "--connections", "4", "--concurrency", "4",
                    ])
                try await eventually("the bill is kept", within: .seconds(180)) {
                    #expect(worker.process.isRunning, "\(worker.errors.suffix(2000))")
                    let day = try await world.run { try await $0.reconciliationDay(date) }
                    if let asked = day.expected.first, asked.state != .received {
                        throw NeverHappened(description: "\(asked)")
                    }
                    return day.statements.first?.lineCount == Self.lines
                }
                let peak = try Self.peak(of: worker)
                #expect(peak < Self.bound, "\(peak) KiB")
                // The file is larger than all of the process.
                let size = try #require(try FileManager.default.attributesOfItem(atPath: path)[.size] as? Int)
                #expect(size > Self.bound << 10)
                #expect(try FileManager.default.contentsOfDirectory(atPath: spool.path) == [])
                worker.signal(SIGTERM)
                #expect(try await worker.end(within: .seconds(20)).status == 0)
                #expect(try await world.violations() == [])
            }
        }

        /// The most resident memory that a process had, in KiB.
        private static func peak(of worker: CustodyProcess) throws -> Int {
            let status = try String(
                contentsOfFile: "/proc/\(worker.process.processIdentifier)/status", encoding: .utf8)
            let line = try #require(status.split(separator: "\n").first { $0.hasPrefix("VmHWM:") })
            return try #require(Int(line.split(separator: " ").dropLast().last ?? ""))
        }

        /// A trade bill whose buyers have very long names.
        private static func writeBill(in folder: URL) throws -> (path: String, sha1: String) {
            let path = folder.appending(path: "bill.csv")
            _ = FileManager.default.createFile(atPath: path.path, contents: nil)
            let file = try FileHandle(forWritingTo: path)
            var sha1 = Insecure.SHA1()
            func write(_ text: String) throws {
                let bytes = Data(text.utf8)
                sha1.update(data: bytes)
                try file.write(contentsOf: bytes)
            }
            try write(
                "交易时间,公众账号ID,商户号,特约商户号,设备号,微信订单号,商户订单号,用户标识,交易类型,交易状态,付款银行,货币种类,应结订单金额,代金券金额,"
                    + "微信退款单号,商户退款单号,退款金额,充值券退款金额,退款类型,退款状态,商品名称,商户数据包,手续费,费率,订单金额,申请退款金额,费率备注\r\n"
            )
            let buyer = String(repeating: "oUpF8uMu", count: 5 << 10)
            for index in 0..<lines {
                try write(
                    "`2026-10-05 08:34:18,`wx8888888888888888,`1900000109,`0,`,`4200\(index),`T\(index),`\(buyer),`NATIVE,"
                        + "`SUCCESS,`CMC,`CNY,`10.00,`0.00,`0,`0,`0.00,`0.00,`,`,`测试商品,`,`0.06000,`0.60%,`10.00,`0.00,`\r\n"
                )
            }
            try write("总交易单数,应结订单总金额,退款总金额,充值券退款总金额,手续费总金额,订单总金额,申请退款总金额\r\n")
            let total = Fen(Int64(lines) * 1000).yuan
            let fee = FineYuan(thousandthsOfFen: Int64(lines) * 6000).yuan
            try write("`\(lines),`\(total),`0.00,`0.00,`\(fee),`\(total),`0.00\r\n")
            try file.close()
            let digest = sha1.finalize().map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
            return (path.path, digest)
        }
    }
}
