import CustodyConnectors
import CustodyDomain
import CustodyWire
import Foundation
import Logging

/// Writes one JSON object per line to standard error: time, level, label, message, and the metadata as its members.
///
/// Messages are static and metadata holds ids, never bodies, names or numbers of people.
struct JSONLogHandler: LogHandler {
    let label: String
    var metadata: Logger.Metadata = [:]
    var metadataProvider: Logger.MetadataProvider?
    var logLevel: Logger.Level = .info

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        var members: [JSON.Member] = [
            .init("time", .string(WallClock.now().rfc3339)), .init("level", .string(event.level.rawValue)),
            .init("logger", .string(label)), .init("message", .string("\(event.message)")),
        ]
        let all = metadata.merging(metadataProvider?.get() ?? [:]) { $1 }.merging(event.metadata ?? [:]) { $1 }
        for (name, value) in all.sorted(by: { $0.key < $1.key }) { members.append(.init(name, JSON(value))) }
        FileHandle.standardError.write(Data(JSON.object(members).bytes + [UInt8(ascii: "\n")]))
    }
}

extension JSON {
    fileprivate init(_ value: Logger.MetadataValue) {
        switch value {
        case .string(let text): self = .string(text)
        case .stringConvertible(let value): self = .string(value.description)
        case .dictionary(let members):
            self = .object(members.sorted { $0.key < $1.key }.map { .init($0.key, JSON($0.value)) })
        case .array(let values): self = .array(values.map { JSON($0) })
        }
    }
}

/// Makes every logger of this process write JSON lines, from a level on.
func bootstrapLogs() {
    let level = Settings.environment("log_level").flatMap { Logger.Level(rawValue: $0) } ?? .info
    LoggingSystem.bootstrap { label in
        var handler = JSONLogHandler(label: label)
        handler.logLevel = level
        return handler
    }
}
