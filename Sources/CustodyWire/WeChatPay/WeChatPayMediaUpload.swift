import Crypto
import CustodyDomain

/// A picture or document handed to WeChat Pay (`/v3/merchant/media/upload`): multipart, of which only the meta is signed.
public struct WeChatPayMediaUpload: Hashable, Sendable {
    /// The file's name with its extension.
    public let fileName: String
    /// The file.
    public let content: [UInt8]

    /// The largest picture in bytes; JPG, BMP or PNG.
    public static let pictureLimit = 5 << 20
    /// The largest PDF in bytes.
    public static let documentLimit = 7_864_320

    /// Takes a file.
    ///
    /// - Returns: nil for a type WeChat does not take, an empty file, one that is too long, or a name that is no name.
    public init?(fileName: String, content: [UInt8]) {
        guard let type = WeChatPayMediaUpload.mediaType(of: fileName), !content.isEmpty, fileName.utf8.count <= 256,
            !fileName.utf8.contains(where: { $0 < 0x20 || $0 == 0x22 || $0 == 0x5C || $0 == 0x2F })
        else { return nil }
        let limit = type == "application/pdf" ? Self.documentLimit : Self.pictureLimit
        guard content.count <= limit else { return nil }
        self.fileName = fileName
        self.content = content
    }

    /// The part that is signed instead of the body.
    public var meta: [UInt8] {
        let json: JSON = ["filename": .string(fileName), "sha256": .string(Self.sha256(content))]
        return json.bytes
    }

    /// The whole body, between boundaries.
    public func body(boundary: String) -> [UInt8] {
        let type = Self.mediaType(of: fileName) ?? "application/octet-stream"
        var body = Array(
            ("--\(boundary)\r\nContent-Disposition: form-data; name=\"meta\"\r\nContent-Type: application/json\r\n\r\n")
                .utf8)
        body += meta
        body += Array(
            ("\r\n--\(boundary)\r\nContent-Disposition: form-data; name=\"file\"; filename=\"\(fileName)\"\r\n"
                + "Content-Type: \(type)\r\n\r\n").utf8)
        body += content
        body += Array("\r\n--\(boundary)--\r\n".utf8)
        return body
    }

    /// The SHA-256 of bytes in lower-case hex.
    public static func sha256(_ bytes: [UInt8]) -> String { lowerHex(SHA256.hash(data: bytes)) }

    private static func mediaType(of fileName: String) -> String? {
        guard let dot = fileName.lastIndex(of: "."), dot != fileName.startIndex else { return nil }
        return switch fileName[fileName.index(after: dot)...].lowercased() {
        case "jpg", "jpeg": "image/jpeg"
        case "png": "image/png"
        case "bmp": "image/bmp"
        case "pdf": "application/pdf"
        default: nil
        }
    }

    static func lowerHex(_ bytes: some Sequence<UInt8>) -> String {
        let digits = Array("0123456789abcdef".utf8)
        return String(decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
    }
}

/// A multipart body taken apart; the receiving side of ``WeChatPayMediaUpload``.
public enum MultipartForm {
    /// A part, by its name.
    public struct Part: Hashable, Sendable {
        /// Its name.
        public let name: String
        /// The file name, if it says one.
        public let fileName: String?
        /// Its bytes.
        public let content: [UInt8]
    }

    /// Takes a body apart. The boundary is its first line, which is right even when `Content-Type` forgets to name it.
    ///
    /// - Returns: nil for anything that is no multipart form.
    public static func parts(of body: [UInt8]) -> [Part]? {
        guard body.starts(with: [0x2D, 0x2D]), let lineEnd = index(of: [0x0D, 0x0A], in: body, from: 0) else {
            return nil
        }
        let delimiter = [0x0D, 0x0A] + body[..<lineEnd]
        var parts: [Part] = []
        var start = lineEnd + 2
        while start < body.count {
            guard let headEnd = index(of: [0x0D, 0x0A, 0x0D, 0x0A], in: body, from: start),
                let end = index(of: delimiter, in: body, from: headEnd + 2)
            else { return nil }
            let head = String(decoding: body[start..<headEnd], as: UTF8.self)
            guard let name = attribute("name", in: head) else { return nil }
            parts.append(
                Part(
                    name: name, fileName: attribute("filename", in: head),
                    content: end >= headEnd + 4 ? Array(body[(headEnd + 4)..<end]) : []))
            start = end + delimiter.count
            if body[start...].starts(with: [0x2D, 0x2D]) { return parts }
            start += 2
        }
        return nil
    }

    private static func attribute(_ name: String, in head: String) -> String? {
        guard let found = head.firstRange(of: " \(name)=\"") else { return nil }
        return String(head[found.upperBound...].prefix { $0 != "\"" })
    }

    private static func index(of needle: [UInt8], in bytes: [UInt8], from start: Int) -> Int? {
        guard bytes.count >= needle.count, start <= bytes.count - needle.count, let first = needle.first else {
            return nil
        }
        var index = start
        while index <= bytes.count - needle.count {
            if bytes[index] == first, bytes[index..<(index + needle.count)].elementsEqual(needle) { return index }
            index += 1
        }
        return nil
    }
}
