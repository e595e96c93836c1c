{{/* What a workload is called. (root, vertical) */}}
{{- define "cordon.name" -}}
{{- printf "%s-%s" .root.Release.Name .vertical | trunc 52 | trimSuffix "-" -}}
{{- end -}}

{{/* What its pods are known by. */}}
{{- define "cordon.selector" -}}
app.kubernetes.io/name: cordon-worker
app.kubernetes.io/instance: {{ .root.Release.Name }}
cordon.dev/vertical: {{ .vertical }}
{{- end -}}

{{- define "cordon.labels" -}}
{{ include "cordon.selector" . }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end -}}

{{/* The kind of volume that the cache is on. (values) */}}
{{- define "cordon.volume" -}}
{{- $byProfile := dict "unprivileged" "emptyDir" "reflink" "claim" "snapshot" "claim" "overlay-userns" "emptyDir" "overlay" "hostPath" "overlay-visible" "hostPath" -}}
{{- $volume := .cache.volume | default (get $byProfile .profile) -}}
{{- if and (has .profile (list "overlay" "overlay-visible")) (ne $volume "hostPath") -}}
{{- fail (printf "profile %s is one worker on each node, on a directory of it: cache.volume must be hostPath, not %s" .profile $volume) -}}
{{- end -}}
{{- if and (eq $volume "hostPath") (not (has .profile (list "overlay" "overlay-visible"))) -}}
{{- fail (printf "cache.volume hostPath is for the profiles overlay and overlay-visible, which have one worker on each node; %s could have two on one cache" .profile) -}}
{{- end -}}
{{- if and .cache.emptyDir.medium (has .profile (list "reflink" "snapshot")) -}}
{{- fail (printf "memory can neither clone nor take snapshots: profile %s needs a volume that can" .profile) -}}
{{- end -}}
{{- $volume -}}
{{- end -}}

{{- define "cordon.podSecurity" -}}
{{- if eq .profile "overlay-visible" -}}
{}
{{- else if hasPrefix "overlay" .profile -}}
runAsUser: 0 # a capability that is added counts for root alone
seccompProfile: { type: RuntimeDefault } # allows mounts to those with SYS_ADMIN
appArmorProfile: { type: Unconfined } # the runtime's own profile refuses every mount
{{- else -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
fsGroupChangePolicy: OnRootMismatch # or each start changes the whole cache, file by file
seccompProfile: { type: RuntimeDefault }
{{- end -}}
{{- end -}}

{{- define "cordon.security" -}}
{{- if eq .profile "overlay-visible" -}}
runAsUser: 0
privileged: true # Kubernetes gives bidirectional propagation to no other container
{{- else if hasPrefix "overlay" .profile -}}
allowPrivilegeEscalation: true # Kubernetes refuses false beside SYS_ADMIN
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
  add:
    - SYS_ADMIN # mount
    - DAC_OVERRIDE # overlayfs closes a directory of its own to everybody
    - CHOWN # a cache that another user began
    - FOWNER
    - SETUID # tools have a user of their own each (tier full)
    - SETGID
    - SETPCAP # and no capability, nor a way to one
    - KILL # who is another user, and is to end
    - SYS_CHROOT # seccomp profiles of engines refuse pivot_root
{{- else -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: { drop: [ALL] }
{{- end -}}
{{- end -}}
